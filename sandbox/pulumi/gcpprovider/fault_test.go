package gcpprovider

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/apis"
	"example.com/grpc-edge/sandbox/gcp/iam"
	"example.com/grpc-edge/sandbox/gcp/serviceusage"
)

// fault sets one fault in the engine's cloud. The line is written as on the command line.
func (e *engine) fault(line string) {
	e.t.Helper()
	var f gcp.Fault
	flags := pflag.NewFlagSet("fault", pflag.ContinueOnError)
	f.AddFlags(flags)
	if err := flags.Parse(strings.Fields(line)); err != nil {
		e.t.Fatal(err)
	}
	f.Answer = flags.Arg(0)
	if err := f.Check(apis.All(nil)); err != nil {
		e.t.Fatal(err)
	}
	if f.String() != line {
		e.t.Errorf("the fault %q is listed as %q", line, f)
	}
	if err := gcp.SetFaults(e.dir, []gcp.Fault{f}); err != nil {
		e.t.Fatal(err)
	}
}

// TestTransientFaultsAreRetried checks that creating, reading and deleting are retried after a
// transient fault.
func TestTransientFaultsAreRetried(t *testing.T) {
	for _, answer := range []string{"rate-limit", "internal", "unavailable"} {
		t.Run(answer, func(t *testing.T) {
			e := newEngine(t, noRuntime{})
			e.fault(answer + " --kind Network --count 3")
			s := e.create(networkType, props{"name": "net"})
			if want := []time.Duration{500 * time.Millisecond, 500 * time.Millisecond, time.Second}; !slices.Equal(e.waits, want) {
				t.Errorf("waits = %v, want %v", e.waits, want)
			}
			e.fault(answer + " --verb get --count 1")
			if got := e.read(s); got.id != s.id {
				t.Errorf("Read = %q, want %q", got.id, s.id)
			}
			e.fault(answer + " --verb delete --name n* --count 1")
			if err := e.delete(s); err != nil {
				t.Errorf("Delete = %v, want nil", err)
			}
			if left := e.cloud.Objects(); len(left) != 0 || len(e.waits) != 5 {
				t.Errorf("left %v after %d waits, want nothing after 5", left, len(e.waits))
			}
		})
	}
}

func TestRetriesEnd(t *testing.T) {
	e := newEngine(t, noRuntime{})
	e.fault("unavailable --kind Network")
	_, err := e.tryCreate(networkType, props{"name": "net"})
	if want := "googleapi: Error 503: The service is currently unavailable., backendError"; err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Create = %v, want %s", err, want)
	}
	var spent time.Duration
	for _, d := range e.waits {
		spent += d
	}
	if spent > retryLimit || spent < retryLimit/3 {
		t.Errorf("waited %s, want most of %s", spent, retryLimit)
	}
}

// TestLastingFaultsAreToldOnce checks that a fault which retries do not fix is reported once and at
// once. The resource can be created and deleted afterwards.
func TestLastingFaultsAreToldOnce(t *testing.T) {
	for words, want := range map[string]string{
		"quota --kind Network":        "Error 403: Quota 'NETWORKS' exceeded.",
		"denied --kind Network":       "Error 403: Required 'compute.networks.create' permission for 'projects/test-project', forbidden",
		"api-disabled --kind Network": "Error 403: Compute Engine API has not been used in project ",
		"exists --kind Network":       "Error 409: The resource 'projects/test-project/global/networks/net' already exists, alreadyExists",
		"failed --kind Network":       "Error waiting to create net: the operation ended with INTERNAL_ERROR",
	} {
		t.Run(words, func(t *testing.T) {
			e := newEngine(t, noRuntime{})
			e.fault(words + " --count 1")
			_, err := e.tryCreate(networkType, props{"name": "net"})
			if err == nil || strings.Count(err.Error(), want) != 1 || len(e.waits) != 0 {
				t.Errorf("Create = %v after %d waits, want %q, once and at once", err, len(e.waits), want)
			}
			if left := e.cloud.Objects(); len(left) != 0 {
				t.Errorf("left %v, want nothing", left)
			}
			s := e.create(networkType, props{"name": "net"})
			e.fault("failed --verb delete --count 1")
			if err := e.delete(s); err == nil {
				t.Error("Delete = nil, want the operation's error")
			}
			if got := e.read(s); got.id != s.id {
				t.Errorf("after the failed deletion Read = %q, want %q", got.id, s.id)
			}
			if err := e.delete(s); err != nil {
				t.Errorf("second Delete = %v, want nil", err)
			}
		})
	}
}

func TestFaultsAreCheckedWhole(t *testing.T) {
	err := gcp.Fault{Answer: "bogus", Kind: "Bucket", Verb: "put", Name: "[", Count: -1, Seconds: 1}.Check(apis.All(nil))
	for _, want := range []string{`"bogus" is not an answer`, "--kind Bucket: it may be ", "--verb put", "--name [", "--count", "--seconds"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Check = %v, want %q in it", err, want)
		}
	}
	e := newEngine(t, noRuntime{})
	e.fault("slow --seconds 30")
	e.fault("quota --kind Network --verb create --name edge-* --count 2")
}

// alwaysOn lists the kinds of the APIs that a new project has.
var alwaysOn = []gcp.Kind{gcp.KindService, serviceusage.KindServiceIdentity, iam.KindBucketMember}

// TestEveryKindFails makes the first call that creates each type fail with each answer: no
// object is left half created, each error gives the reason in Google's words, and the next call
// succeeds.
func TestEveryKindFails(t *testing.T) {
	t.Parallel()
	for _, answer := range []struct {
		name, want string
		lasts      bool
	}{
		{"rate-limit", "", false},
		{"internal", "", false},
		{"unavailable", "", false},
		{"quota", "googleapi: Error 403: Quota '", true},
		{"denied", "googleapi: Error 403: ", true},
		{"api-disabled", " API has not been used in project ", true},
		{"exists", "googleapi: Error 409: ", true},
		{"failed", "Error waiting to create ", true},
	} {
		t.Run(answer.name, func(t *testing.T) {
			t.Parallel()
			e := newEngine(t, noRuntime{})
			for _, step := range program() {
				if answer.name == "api-disabled" && slices.Contains(alwaysOn, resourceTypes[step.token].kind) {
					e.create(step.token, step.inputs)
					continue
				}
				kind := string(resourceTypes[step.token].kind)
				kind = kind[strings.LastIndexByte(kind, '/')+1:]
				e.fault(answer.name + " --kind " + kind + " --verb create --count 1")
				before := len(e.cloud.Objects())
				s, err := e.tryCreate(step.token, step.inputs)
				if faults, readErr := gcp.Faults(e.dir); readErr != nil || len(faults) != 0 {
					t.Errorf("%s: the fault did not strike (%v, %v)", step.token, faults, readErr)
				}
				if !answer.lasts {
					if err != nil {
						t.Fatalf("%s: Create = %v, want nil", step.token, err)
					}
					continue
				}
				if err == nil || strings.Count(err.Error(), answer.want) != 1 || strings.Contains(err.Error(), "\n") {
					t.Errorf("%s: Create = %v, want %q, once, on one line", step.token, err, answer.want)
				}
				if after := len(e.cloud.Objects()); after != before {
					t.Errorf("%s: %d objects after the refused creation, want %d", step.token, after, before)
				}
				if s, err = e.tryCreate(step.token, step.inputs); err != nil {
					t.Fatalf("%s: the next Create of %q = %v", step.token, s.id, err)
				}
			}
		})
	}
}
