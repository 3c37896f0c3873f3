package gcp_test

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"

	"grpc-edge/sandbox/clitest"
	"grpc-edge/sandbox/gcp"
	"grpc-edge/sandbox/gcp/provider"
	"grpc-edge/sandbox/languagehost"
)

// TestMain lets the test binary be the CLI's language plugin, see clitest.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "pulumi-language-go" {
		os.Exit(languagehost.Main(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// TestKilledEngineLosesNothing kills the real engine while it makes and while it
// removes each of the program's objects in turn, in one stack.
func TestKilledEngineLosesNothing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	cloud, err := gcp.Open(dir, nil, gcp.WithOperationTime(0))
	if err != nil {
		t.Fatal(err)
	}
	p := clitest.New(t, "testdata/program", "buildTarget: "+filepath.Join(t.TempDir(), "program"))
	p.Env = []string{"PULUMI_DEBUG_PROVIDERS=gcp:" + serve(t, cloud)}
	p.MustRun("config", "set", "gcp:project", "test-project")
	p.MustRun("config", "set", "gcp:region", "us-central1")

	want := []string{"addresses", "networks", "routers", "subnetworks"}
	for _, verb := range []string{"create", "delete"} {
		for _, kind := range []string{"Network", "Address", "Subnetwork", "Router"} {
			if verb == "delete" {
				p.MustRun("up", "--yes", "--skip-preview")
				kill(t, p, dir, "slow seconds=3600 count=1 verb=delete kind="+kind, "destroy")
			} else {
				kill(t, p, dir, "slow seconds=3600 count=1 verb=create kind="+kind, "up")
			}
			p.MustRun("cancel", "--yes") // gives the killed run's lock back
			output := p.MustRun("up", "--yes", "--skip-preview")
			if got := collections(cloud); !slices.Equal(got, want) {
				t.Errorf("killed at %s of %s: %q exist after up, want one of each of %q\n%s", verb, kind, got, want, output)
			}
			p.MustRun("refresh", "--yes", "--skip-preview", "--clear-pending-creates")
			if preview := p.MustRun("preview", "--expect-no-changes"); strings.Contains(preview, "pending operations") {
				t.Errorf("killed at %s of %s: operations are pending after refresh --clear-pending-creates:\n%s", verb, kind, preview)
			}
			p.MustRun("destroy", "--yes", "--skip-preview")
			if left := cloud.Objects(); len(left) != 0 {
				t.Errorf("killed at %s of %s: destroy left %q", verb, kind, left)
			}
		}
	}
}

// kill runs a command and kills it as soon as the operation that a fault makes
// slow is under way.
func kill(t *testing.T, p *clitest.Project, dir, fault, command string) {
	t.Helper()
	f, err := gcp.ParseFault(strings.Fields(fault))
	if err != nil {
		t.Fatal(err)
	}
	if err := gcp.SetFaults(dir, []gcp.Fault{f}); err != nil {
		t.Fatal(err)
	}
	// One at a time: what ends in the moment of the kill is otherwise not in the
	// state, and stays in the cloud until its pending creation is imported.
	cmd := p.Command(command, "--yes", "--skip-preview", "--parallel", "1")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(5 * time.Millisecond) {
		faults, err := gcp.Faults(dir)
		if err != nil || time.Now().After(deadline) {
			t.Fatalf("waiting for %s: %v", fault, err)
		}
		if len(faults) == 0 {
			break
		}
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // says that it was killed
}

// collections are what the existing objects belong to, sorted.
func collections(cloud *gcp.Cloud) []string {
	var names []string
	for _, name := range cloud.Objects() {
		names = append(names, filepath.Base(filepath.Dir(name)))
	}
	slices.Sort(names)
	return names
}

// serve serves the provider and returns its port.
func serve(t *testing.T, cloud *gcp.Cloud) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	pulumirpc.RegisterResourceProviderServer(server, provider.New(cloud))
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}
