package envoy_test

import (
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	reflectionpb "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/reflect/protoreflect"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/envoy/prototest"
)

// tutorial returns the system of Google's tutorial: two services with one method each.
func tutorial(t testing.TB) envoy.Config {
	t.Helper()
	return envoy.Config{Backends: []envoy.Backend{
		{Name: "echo", Address: "echo.grpc-edge.svc.cluster.local", Port: 8080, Services: services(t, "api.Echo")},
		{Name: "reverse", Address: "reverse.grpc-edge.svc.cluster.local.", Port: 8080, Services: services(t, "api.Reverse")},
	}}
}

// services are gRPC services of one method, by their full names.
func services(t testing.TB, names ...protoreflect.FullName) []protoreflect.ServiceDescriptor {
	t.Helper()
	source := fmt.Sprintf("package %s;\nimport \"google/protobuf/empty.proto\";\n", names[0].Parent())
	for _, name := range names {
		source += fmt.Sprintf("service %s { rpc %[1]s(google.protobuf.Empty) returns (google.protobuf.Empty); }\n", name.Name())
	}
	return prototest.Services(t, source)
}

func TestServices(t *testing.T) {
	t.Parallel()
	var got []protoreflect.FullName
	for _, service := range envoy.Services(
		healthpb.File_grpc_health_v1_health_proto,
		reflectionpb.File_grpc_reflection_v1_reflection_proto,
	) {
		got = append(got, service.FullName())
	}
	want := []protoreflect.FullName{"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"}
	if !slices.Equal(got, want) {
		t.Errorf("Services() = %q, want %q", got, want)
	}
}

func TestFilesRefuses(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("a", 63)
	for name, test := range map[string]struct {
		change func(*envoy.Config)
		want   []string // each in one line of the error
	}{
		"no backends":        {func(c *envoy.Config) { c.Backends = nil }, []string{"Backends: none given"}},
		"no name":            {func(c *envoy.Config) { c.Backends[0].Name = "" }, []string{`Backends[0].Name: ""`}},
		"name of ours":       {func(c *envoy.Config) { c.Backends[0].Name = "envoy_admin" }, []string{`Backends[0].Name: "envoy_admin"`}},
		"name twice":         {func(c *envoy.Config) { c.Backends[1].Name = "echo" }, []string{"Backends[1].Name", "Backends[0]"}},
		"no address":         {func(c *envoy.Config) { c.Backends[1].Address = "" }, []string{`Backends[1].Address: ""`}},
		"address with port":  {func(c *envoy.Config) { c.Backends[0].Address = "echo:80" }, []string{`"echo:80"`}},
		"address upper case": {func(c *envoy.Config) { c.Backends[0].Address = "Echo.example" }, []string{`"Echo.example"`}},
		"address empty label": {
			func(c *envoy.Config) { c.Backends[0].Address = "echo..example" }, []string{`"echo..example"`}},
		"address long label": {func(c *envoy.Config) { c.Backends[0].Address = long + "a.example" }, []string{"Backends[0].Address"}},
		"address too long": {
			func(c *envoy.Config) { c.Backends[0].Address = strings.Repeat(long+".", 4) }, []string{"Backends[0].Address"}},
		"port 0":      {func(c *envoy.Config) { c.Backends[0].Port = 0 }, []string{"Backends[0].Port: 0"}},
		"port 65536":  {func(c *envoy.Config) { c.Backends[1].Port = 65536 }, []string{"Backends[1].Port: 65536"}},
		"no services": {func(c *envoy.Config) { c.Backends[1].Services = nil }, []string{"Backends[1].Services: none"}},
		"service twice": {
			func(c *envoy.Config) {
				c.Backends[1].Services = append(c.Backends[1].Services, c.Backends[0].Services...)
			},
			[]string{"Backends[1].Services[1]", "api.Echo", "Backends[0].Services[0]"}},
		"ports clash": {func(c *envoy.Config) { c.ReadyPort = 8443 }, []string{"ReadyPort: 8443", "HTTPSPort"}},
		"listener port": {
			func(c *envoy.Config) { c.AdminPort = 70000 }, []string{"AdminPort: 70000"}},
		"relative folder": {func(c *envoy.Config) { c.CertificateDir = "tls" }, []string{`CertificateDir: "tls"`}},
		"no resolver":     {func(c *envoy.Config) { c.Resolvers = make([]netip.AddrPort, 1) }, []string{"Resolvers[0]"}},
		"negative limit":  {func(c *envoy.Config) { c.MaxConnections = -1 }, []string{"MaxConnections: -1"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := tutorial(t)
			test.change(&config)
			refused(t, config, test.want)
		})
	}
}

// refused expects an error with a line that has all the parts.
func refused(t *testing.T, config envoy.Config, parts []string) {
	t.Helper()
	files, err := envoy.Files(config)
	if err == nil {
		t.Fatalf("Files() = %d files and no error, want an error", len(files))
	}
	if !slices.ContainsFunc(strings.Split(err.Error(), "\n"), func(line string) bool {
		return !slices.ContainsFunc(parts, func(part string) bool { return !strings.Contains(line, part) })
	}) {
		t.Errorf("Files() = %q, want one line with %q", err, parts)
	}
}

func TestFilesRefusesEverythingAtOnce(t *testing.T) {
	t.Parallel()
	_, err := envoy.Files(envoy.Config{
		Backends:  []envoy.Backend{{Name: "-"}, {Name: "-", Address: "_"}},
		ReadyPort: envoy.HTTPSPort, ConfigDir: ".", MaxConnections: -1,
	})
	if err == nil {
		t.Fatal("Files() gave no error")
	}
	for _, want := range []string{
		"Backends[0].Name", "Backends[0].Address", "Backends[0].Port", "Backends[0].Services",
		"Backends[1].Name", "Backends[1].Address", "Backends[1].Port", "Backends[1].Services",
		"already the name", "ReadyPort", "ConfigDir", "MaxConnections",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Files() = %q, want also %q", err, want)
		}
	}
}

// TestImports keeps the module usable by anything that wants an edge Envoy.
func TestImports(t *testing.T) {
	t.Parallel()
	out, err := exec.Command("go", "list", "-deps", ".").Output()
	if err != nil {
		t.Fatalf("go list -deps: %v", err)
	}
	for imported := range strings.Lines(string(out)) {
		imported = strings.TrimSpace(imported)
		for _, foreign := range []string{"pulumi", "cloud.google.com/", "k8s.io/api", "example.com/grpc-edge/"} {
			if strings.Contains(imported, foreign) && !strings.HasPrefix(imported+"/", "example.com/grpc-edge/envoy/") {
				t.Errorf("package envoy imports %s", imported)
			}
		}
	}
}
