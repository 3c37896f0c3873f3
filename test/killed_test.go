package test

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/grpc-edge/internal/workcopy"
	"example.com/grpc-edge/test/chaos"
)

// TestKilled kills Pulumi's engine while it creates, and while it deletes, each resource of
// the program. Recovery follows docs/operations.md alone.
func TestKilled(t *testing.T) {
	ctx := t.Context()
	k := &killed{checkout: newCheckout(t)}
	k.env = []string{"PULUMI=.cache/bin/sandbox pulumi --", "STACK=sandbox"}
	k.api = holdAPI(t, k.checkout)
	k.removeAtEnd(t)
	runSteps(t, []step{
		{"each fault is told once, and make up finishes the job", func(t *testing.T) { k.faults(ctx, t) }},
		{"destroy is killed at each resource, and ends", func(t *testing.T) { k.atEachDeletion(ctx, t) }},
		{"up is killed at each resource, and ends", func(t *testing.T) { k.atEachCreation(ctx, t) }},
		{"make up finds the rest done", func(t *testing.T) { k.must(ctx, t, "make", "up") }},
		{"nothing is left by make down", func(t *testing.T) { k.must(ctx, t, "make", "down") }},
	})
}

type killed struct {
	checkout
	api *apiHold
}

// state holds the parts of the stack's state that the test reads.
type state struct {
	Resources []resource
	Pending   []struct {
		Type     string
		Resource resource
	} `json:"pending_operations"`
}

type resource struct {
	URN, Type, ID string
	Custom        bool
	Delete        bool
}

// written returns the state that the running engine has last written.
func (k *killed) written(t *testing.T) state {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(k.dir, ".sandbox/pulumi/.pulumi/stacks/grpc-edge/sandbox.json"))
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Checkpoint struct{ Latest state } }
	if err := json.Unmarshal(text, &file); err != nil {
		return state{} // it is being written
	}
	return file.Checkpoint.Latest
}

// custom returns the sorted URNs of the resources that a provider creates.
func (s state) custom() []string {
	var urns []string
	for _, r := range s.Resources {
		if r.Custom && !strings.HasPrefix(r.Type, "pulumi:providers:") {
			urns = append(urns, r.URN)
		}
	}
	slices.Sort(urns)
	return urns
}

// untilHeld runs a command of Pulumi until the answers for all its pending resources are
// held. It then kills the engine and returns these resources. It returns none if the command
// has succeeded.
func (k *killed) untilHeld(ctx context.Context, t *testing.T, doing string, args ...string) []string {
	t.Helper()
	cmd := exec.CommandContext(ctx, ".cache/bin/sandbox", append([]string{"pulumi", "--"}, args...)...)
	var out strings.Builder
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = k.dir, append(workcopy.Environment(k.dir), k.api.env()...), &out, &out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	start := time.Now()
	for same, last := 0, ""; ; time.Sleep(100 * time.Millisecond) {
		select {
		case err := <-ended:
			t.Logf("pulumi %s ended after %.1f s (%v)\n%s", strings.Join(args, " "), time.Since(start).Seconds(), err, &out)
			if err != nil {
				t.Fatal(err)
			}
			return nil
		default:
		}
		held, urns := append(k.held(t), k.api.held()...), k.written(t).under(doing)
		same++
		if now := strings.Join(append(held, urns...), " "); now != last {
			same, last = 0, now
		}
		// Nothing else has begun for a second, so the engine waits for these alone.
		if same < 10 || len(held) == 0 || len(held) != len(urns) {
			continue
		}
		if err := chaos.KillEngine(cmd.Process.Pid); err != nil {
			t.Fatal(err)
		}
		err := <-ended
		k.api.release()
		t.Logf("pulumi %s killed after %.1f s (%v) at\n%s", strings.Join(args, " "), time.Since(start).Seconds(), err, strings.Join(urns, "\n"))
		if err == nil {
			t.Fatal("the command ended well though its engine was killed")
		}
		return urns
	}
}

// under returns the sorted URNs of the resources with a pending operation of this type.
func (s state) under(doing string) []string {
	var urns []string
	for _, p := range s.Pending {
		if p.Type == doing {
			urns = append(urns, p.Resource.URN)
		}
	}
	slices.Sort(urns)
	return urns
}

// held returns the sorted URNs of the resources whose answers the emulated cloud holds.
func (k *killed) held(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(k.dir, ".sandbox/paused"))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return strings.Fields(string(text))
}

// each kills a command at each resource, recovers, and runs it again until it succeeds. It
// returns the resources, sorted.
func (k *killed) each(ctx context.Context, t *testing.T, verb, doing string, command string) []string {
	t.Helper()
	// This is the hard case: the request has been served, and Pulumi does not know.
	k.must(ctx, t, ".cache/bin/sandbox", "pause", verb, "--at", "answer")
	k.api.hold(verb)
	var all []string
	for {
		urns := k.untilHeld(ctx, t, doing, strings.Fields(command)...)
		if urns == nil {
			break
		}
		all = append(all, urns...)
		k.unlock(ctx, t)
		if verb == "create" && slices.ContainsFunc(urns, func(urn string) bool { return strings.HasSuffix(urn, ":Network::network") }) {
			k.goOn(ctx, t)
		}
		k.recover(ctx, t)
	}
	k.must(ctx, t, ".cache/bin/sandbox", "pause", "clear")
	k.api.hold("")
	slices.Sort(all)
	return all
}

// goOn runs up without recovery. A resource with a random name is then created a second time,
// and one with a fixed name is refused. Recovery must fix both afterwards. goOn targets only
// these two: the first call of any other resource would be held, and nobody kills this run.
func (k *killed) goOn(ctx context.Context, t *testing.T) {
	t.Helper()
	out, err := k.pulumi(ctx, t, append(strings.Fields(up), "--target", "**:Network::network", "--target", "**::registry-images")...)
	for _, want := range []string{"interrupted while creating", "repositories/grpc-edge-sandbox' already exists"} {
		if err == nil || !strings.Contains(out, want) {
			t.Errorf("up without recovery: %v, want to be told %q", err, want)
		}
	}
	if objects := k.must(ctx, t, ".cache/bin/sandbox", "objects"); strings.Count(objects, "/networks/network-") != 2 {
		t.Errorf("want a second network, so that its removal is tried:\n%s", objects)
	}
}

func (k *killed) unlock(ctx context.Context, t *testing.T) {
	t.Helper()
	if _, err := k.pulumi(ctx, t, "cancel", "--yes", "--stack", "sandbox"); err != nil {
		t.Fatal(err)
	}
}

// recover recovers as docs/operations.md describes, except for the list of Google's
// operations. Here they have ended.
func (k *killed) recover(ctx context.Context, t *testing.T) {
	t.Helper()
	if out := k.must(ctx, t, "make", "recover"); strings.Contains(out, "It is not known whether") {
		k.look(ctx, t)
	}
	if s := k.written(t); len(s.Pending) != 0 {
		t.Errorf("operations are pending after `make recover`: %+v", s.Pending)
	}
}

// look deletes the objects whose IDs Google assigns and that are not in the state.
func (k *killed) look(ctx context.Context, t *testing.T) {
	t.Helper()
	for _, object := range k.strangers(ctx, t) {
		if strings.Contains(object, "/alertPolicies/") || strings.Contains(object, "/dashboards/") {
			k.must(ctx, t, ".cache/bin/sandbox", "tamper", object, "delete")
		}
	}
}

// notNamed lists parts of the names of objects that a stack's state does not have by name:
// members of policies, which cannot exist twice, and what GKE creates for a load balancer.
var notNamed = []string{"/iam/roles/", "/firewalls/", "/forwardingRules/"}

// strangers returns the objects of the emulated cloud that are not in the state and not of
// notNamed.
func (k *killed) strangers(ctx context.Context, t *testing.T) []string {
	t.Helper()
	known := k.written(t)
	return slices.DeleteFunc(strings.Fields(k.must(ctx, t, ".cache/bin/sandbox", "objects")), func(object string) bool {
		if slices.ContainsFunc(notNamed, func(part string) bool { return strings.Contains(object, part) }) {
			return true
		}
		return slices.ContainsFunc(known.Resources, func(r resource) bool { return r.ID != "" && strings.HasSuffix(object, "/"+r.ID) })
	})
}

// up creates as much as possible in parallel, so that fewer kills are needed.
const up = "up --yes --skip-preview --suppress-outputs --parallel 64 --stack sandbox"

func (k *killed) atEachCreation(ctx context.Context, t *testing.T) {
	got := k.each(ctx, t, "create", "creating", up)
	if want := k.written(t).custom(); !slices.Equal(got, want) {
		t.Errorf("killed at %q\nwant each once of %q", got, want)
	}
	k.whole(ctx, t)
}

func (k *killed) atEachDeletion(ctx context.Context, t *testing.T) {
	want := k.written(t).custom()
	got := k.each(ctx, t, "delete", "deleting", "destroy --yes --skip-preview --suppress-outputs --stack sandbox")
	if !slices.Equal(got, want) {
		t.Errorf("killed at %q\nwant each once of %q", got, want)
	}
	if left := k.must(ctx, t, ".cache/bin/sandbox", "objects"); left != "" {
		t.Errorf("left in the cloud:\n%s", left)
	}
}

// whole checks that nothing is left to do, and that every object exists only once.
func (k *killed) whole(ctx context.Context, t *testing.T) {
	t.Helper()
	expectNoChanges(ctx, t, k.checkout, "preview")
	expectNoChanges(ctx, t, k.checkout, "refresh", "--yes", "--skip-preview")
	seen := map[string]bool{}
	for _, r := range k.written(t).Resources {
		if seen[r.URN] || r.Delete {
			t.Errorf("%s is in the state twice", r.URN)
		}
		seen[r.URN] = true
	}
	if strangers := k.strangers(ctx, t); len(strangers) > 0 {
		t.Errorf("in the cloud, and not in the state:\n%s", strings.Join(strangers, "\n"))
	}
}

// lasting lists faults that retries do not fix. `make up` must report each once, with the
// resource, the reason and the fix. Each fault keeps the resources of the next ones from being
// created.
var lasting = []struct{ fault, resource, want string }{
	{"denied --kind Network", "gcp:compute:Network (network)", "Error 403: Required 'compute.networks.create' permission for 'projects/sandbox-project', forbidden"},
	{"quota --kind Subnetwork", "gcp:compute:Subnetwork (network-nodes)", "Error 403: Quota 'SUBNETWORKS' exceeded.  Limit: 100.0 globally., quotaExceeded"},
	{"api-disabled --kind Cluster", "gcp:container:Cluster (cluster)", "Error 403: Kubernetes Engine API has not been used in project "},
	{"exists --kind Cluster", "gcp:container:Cluster (cluster)", "already exists"},
	{"failed --kind Cluster", "gcp:container:Cluster (cluster)", "the operation ended with INTERNAL_ERROR: Internal error. Please try again or contact Google Support."},
}

// passing lists transient faults, which need no action.
var passing = []string{
	"rate-limit --kind Cluster --count 2", "internal --kind NodePool --count 1", "unavailable --kind AlertPolicy --count 2", "slow --kind Dashboard --seconds 2 --count 1",
}

func (k *killed) faults(ctx context.Context, t *testing.T) {
	if err := os.MkdirAll(filepath.Join(k.dir, ".sandbox/cloud"), 0o700); err != nil {
		t.Fatal(err)
	}
	set := func(fault string) {
		k.must(ctx, t, ".cache/bin/sandbox", append([]string{"fault", "add"}, strings.Fields(fault)...)...)
	}
	for _, f := range lasting {
		set(f.fault + " --verb create --count 1")
		out, err := k.run(ctx, t, "sh", "-c", "make up 2>&1")
		if err == nil || strings.Count(out, f.want) != 1 || strings.Count(out, f.resource) != 1 || strings.Contains(out, "goroutine ") {
			t.Errorf("make up with %s: %v, want to be told once, of %s, %q", f.fault, err, f.resource, f.want)
		}
	}
	for _, f := range passing {
		set(f + " --verb create")
	}
	k.must(ctx, t, "make", "up")
	if left := k.must(ctx, t, ".cache/bin/sandbox", "fault", "list"); left != "" {
		t.Errorf("these did not strike:\n%s", left)
	}
	k.whole(ctx, t)
}
