package gcpprovider

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/types/known/emptypb"
)

// engineLog records what an engine is told.
type engineLog struct {
	pulumirpc.UnimplementedEngineServer
	mu       sync.Mutex
	warnings []string
}

func (l *engineLog) Log(_ context.Context, r *pulumirpc.LogRequest) (*emptypb.Empty, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if r.Severity == pulumirpc.LogSeverity_WARNING {
		l.warnings = append(l.warnings, r.Message)
	}
	return &emptypb.Empty{}, nil
}

// listen serves the log as an engine does, and returns its address.
func (l *engineLog) listen(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	pulumirpc.RegisterEngineServer(server, l)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	return listener.Addr().String()
}

// TestRegionsAreListedAtEachStart starts the provider with each role of CI, and without the
// permission in it.
func TestRegionsAreListedAtEachStart(t *testing.T) {
	const permission = "compute.regions.list"
	for name := range runs {
		var role customRole
		read(t, roleFile(name), &role)
		less := slices.DeleteFunc(slices.Clone(role.Permissions), func(p string) bool { return p == permission })
		e := newEngine(t, noRuntime{})
		e.employ([]string{"iam.roles.list"})
		for what, test := range map[string]struct {
			permissions []string
			config      props
			warned      bool
		}{
			"the role":                 {role.Permissions, props{}, false},
			"the role without it":      {less, props{}, true},
			"no region":                {less, props{"region": ""}, false},
			"no validation":            {less, props{"skipRegionValidation": true}, false},
			"no validation, as a text": {less, props{"skipRegionValidation": "true"}, false},
		} {
			e.setRole(test.permissions)
			log := &engineLog{}
			client := e.dial()
			if _, err := client.Attach(t.Context(), &pulumirpc.PluginAttach{Address: log.listen(t)}); err != nil {
				t.Fatal(err)
			}
			config := props{"project": "test-project", "region": "us-central1", "impersonateServiceAccount": ci}
			for key, value := range test.config {
				config[key] = value
			}
			e.configure(client, config)
			if warned := strings.Contains(strings.Join(log.warnings, ""), permission); warned != test.warned || len(log.warnings) > 1 {
				t.Errorf("%s, %s: warned %q, want a warning = %t", name, what, log.warnings, test.warned)
			}
		}
	}
}

// TestEngineIsMetByHandshake checks that the provider warns the engine of an API that is not
// enabled. The engine gives its address in the handshake.
func TestEngineIsMetByHandshake(t *testing.T) {
	e, log := newEngine(t, noRuntime{}), &engineLog{}
	client, address := e.dial(), log.listen(t)
	if _, err := client.Handshake(t.Context(), &pulumirpc.ProviderHandshakeRequest{EngineAddress: address}); err != nil {
		t.Fatal(err)
	}
	e.configure(client, props{"project": "new-project", "region": "us-central1"})
	if len(log.warnings) != 1 || !strings.Contains(log.warnings[0], "Compute Engine API has not been used in project") {
		t.Errorf("warned %q, want once that the API is not enabled", log.warnings)
	}
}
