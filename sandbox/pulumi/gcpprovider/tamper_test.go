package gcpprovider

import (
	"context"
	"strings"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// TestTamper checks that what changed behind the engine's back is seen by a refresh, and the next
// update mends it.
func TestTamper(t *testing.T) {
	t.Parallel()
	e := newEngine(t, noRuntime{})
	states, steps := map[string]state{}, program()
	inputs := map[string]props{}
	for _, step := range steps {
		states[step.token], inputs[step.token] = e.create(step.token, step.inputs), step.inputs
	}
	tests := map[string]struct {
		changes map[string]any
		seen    string
	}{
		poolToken:                     {map[string]any{"nodeCount": 3.0}, "nodeCount"},
		clusterToken:                  {map[string]any{"resourceLabels.app": "other"}, "resourceLabels.app"},
		repositoryType:                {map[string]any{"description": "by hand"}, "description"},
		"gcp:dns/recordSet:RecordSet": {map[string]any{"rrdatas": []any{"203.0.113.11"}}, "rrdatas[0]"},
	}
	for token, test := range tests {
		s := states[token]
		o, err := e.cloud.Get(resourceTypes[token].name(s.id))
		if err != nil {
			t.Fatal(err)
		}
		if err := Tamper(context.Background(), e.client, o, test.changes); err != nil {
			t.Errorf("%s: %v", token, err)
			continue
		}
		d, _ := e.diff(e.read(s), inputs[token])
		if d.Changes != pulumirpc.DiffResponse_DIFF_SOME || d.DetailedDiff[test.seen] == nil || len(d.Replaces) > 0 {
			t.Errorf("%s after %v: changes %v at %v, replaced for %v; want an update of %s", token, test.changes, d.Changes, d.DetailedDiff, d.Replaces, test.seen)
		}
	}
	pool := states[poolToken]
	o, err := e.cloud.Get(pool.id)
	if err != nil {
		t.Fatal(err)
	}
	if err := Tamper(context.Background(), e.client, o, nil); err != nil {
		t.Fatal(err)
	}
	if gone := e.read(pool); gone.id != "" {
		t.Errorf("a deleted pool is still there: %s", gone.id)
	}
	o, err = e.cloud.Get(states[networkType].id)
	if err != nil {
		t.Fatal(err)
	}
	if err := Tamper(context.Background(), e.client, o, nil); err == nil || !strings.Contains(err.Error(), "already being used by") {
		t.Errorf("deleting a network in use: %v, want the cloud's refusal", err)
	}
}
