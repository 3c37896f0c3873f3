package resiliencepage

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/grpc-edge/measure/loadgen"
	"example.com/grpc-edge/measure/report"
	"example.com/grpc-edge/test/chaos"
)

func TestWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	outcome := chaos.Outcome{
		Key: "node-killed", Kind: chaos.Unplanned, Sent: 300, Failed: 2,
		Before: 3 * time.Millisecond, During: 3 * time.Second, Happened: time.Second, Over: 2 * time.Second, Recovered: 1500 * time.Millisecond,
		Verdict:  report.Verdict{What: "A node <gone>", Wanted: "no failed call", Broken: []string{"0.67 % of the calls failed"}},
		Failures: map[string]int{"grpc: a `b`": 2},
		Buckets:  []loadgen.Bucket{{Answered: 20, Slowest: time.Millisecond}, {}, {Answered: 18, Failed: 2, Slowest: 3 * time.Second}},
	}
	outcome.Series = []chaos.Series{
		{What: "memory", App: "envoy", Every: time.Second, Values: []float64{10, 20}}, {What: "memory", App: "echo", Every: time.Second, Values: []float64{10, 20}},
	}
	outcome.Notes = []string{"a note"}
	outcome.Measured = time.Date(2026, 5, 2, 0, 0, 0, 0, time.UTC)
	// This outcome is of another run, which has drawn it.
	fine := chaos.Outcome{Key: "scale", Kind: chaos.Planned, Verdict: report.Verdict{What: "Scale", Wanted: "no failed call"}, Sent: 10, Measured: outcome.Measured.AddDate(0, 0, -1)}
	const drawn = "<svg/>"
	if err := errors.Join(os.Mkdir(filepath.Join(dir, "resilience"), 0o755), os.WriteFile(filepath.Join(dir, "resilience", "scale.svg"), []byte(drawn), 0o600)); err != nil {
		t.Fatal(err)
	}
	r := Results{Machine: "a machine", Events: map[string]chaos.Outcome{"node-killed": outcome, "scale": fine,
		"node-push":      {Kind: chaos.Check, Verdict: report.Verdict{What: "Push", Wanted: "refused"}, Took: time.Second, Measured: outcome.Measured},
		"anonymous-pull": {Kind: chaos.Check, Verdict: report.Verdict{What: "Pull", Wanted: "refused", Broken: []string{"a\nb|c"}}, Measured: outcome.Measured},
	}}
	if err := r.Write(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "resilience.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| A node <gone> | no failed call | **broken**: 0.67 % of the calls failed | 300 | 2 | 0 | 3 ms | 3000 ms | 0 ms | 1.5 s |",
		"| Scale | no failed call | held | 10 | 0 | 0 | 0 ms | 0 ms | 0 ms | – |",
		"| Push | refused | held | 1.0 s |", `| Pull | refused | **broken**: a b\|c | 0.0 s |`,
		"- a note\n- 2 × `grpc: a 'b'`", `src="resilience/node-killed-resources.svg"`, `src="resilience/node-killed.svg"`, `src="resilience/scale.svg"`, "a machine; 2026-05-01 to 2026-05-02.",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the page has no %q:\n%s", want, text)
		}
	}
	if kept, err := os.ReadFile(filepath.Join(dir, "resilience", "scale.svg")); err != nil || string(kept) != drawn {
		t.Errorf("the timeline of another run became %q, %v", kept, err)
	}
	for _, key := range []string{"node-killed", "node-killed-resources"} {
		if drawn, err := os.ReadFile(filepath.Join(dir, "resilience", key+".svg")); err != nil || !strings.Contains(string(drawn), "A node &lt;gone&gt;") {
			t.Errorf("the chart %s is\n%s\n%v", key, drawn, err)
		}
	}
}

func TestRefusedCallsHaveAColumn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	outcome := chaos.Outcome{
		Key: "overload", Kind: chaos.Load, Sent: 30, Refused: 10, Recovered: time.Second,
		Buckets: []loadgen.Bucket{{Answered: 20, Refused: 10}},
	}
	if err := (Results{Events: map[string]chaos.Outcome{"overload": outcome}}).Write(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "resilience.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| sent | failed | refused | retried |", "| held | 30 | 0 | 10 | 0 | 0 ms | 0 ms | 0 ms | 1.0 s |"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the page has no %q:\n%s", want, text)
		}
	}
}
