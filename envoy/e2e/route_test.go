package e2e

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/envoy/prototest"
)

// TestServicesAreReached calls the programs in services/ through one connection.
func TestServicesAreReached(t *testing.T) {
	t.Parallel()
	var config envoy.Config
	for name, service := range map[string]string{"echo": "Echo", "reverse": "Reverse"} {
		config.Backends = append(config.Backends, envoy.Backend{
			Name: name, Address: "localhost", Port: runService(t, name),
			Services: prototest.Services(t, "package api; import \"google/protobuf/wrappers.proto\";"+
				"service "+service+" { rpc "+service+"(google.protobuf.StringValue) returns (google.protobuf.StringValue); }"),
		})
	}
	connection := start(t, config).dial(t)
	hostname, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ method, content, want string }{
		{"/api.Echo/Echo", "hello", "hello"},
		{"/api.Reverse/Reverse", "hello", "olleh"},
	} {
		// EchoRequest and the others are one string in field 1, as StringValue is.
		var reply wrapperspb.StringValue
		var header metadata.MD
		err := connection.Invoke(callContext(t), test.method, wrapperspb.String(test.content), &reply, grpc.Header(&header))
		if err != nil || reply.Value != test.want {
			t.Errorf("%s(%q) = %q, %v, want %q", test.method, test.content, reply.Value, err, test.want)
		}
		if got := header.Get("hostname"); len(got) != 1 || got[0] != hostname {
			t.Errorf("%s sent hostname %q, want %q", test.method, got, hostname)
		}
	}
}

// build builds the program in a folder, within the folder's module, and returns its file.
func build(t *testing.T, folder string) string {
	t.Helper()
	binary := filepath.Join(t.TempDir(), filepath.Base(folder))
	if out, err := exec.Command("go", "-C", folder, "build", "-buildvcs=false", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("building %s: %v\n%s", folder, err, out)
	}
	return binary
}

// runService builds services/<name>, runs it until the test ends, and returns
// its port.
func runService(t *testing.T, name string) uint32 {
	t.Helper()
	port := freePort(t)
	service := exec.Command(build(t, "../../services/"+name))
	service.Env = append(os.Environ(), fmt.Sprint("PORT=", port))
	if err := service.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = service.Process.Kill()
		_ = service.Wait()
	})
	eventually(t, startLimit, func() error {
		probe, err := net.Dial("tcp4", fmt.Sprintf("127.0.0.1:%d", port))
		if err == nil {
			_ = probe.Close()
		}
		return err
	})
	return port
}

func TestUnroutedPaths(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	e := start(t, config)
	const message = "no gRPC service has this path"
	for name, test := range map[string]struct {
		method, path, contentType string
		h2                        bool
		status                    int
		grpcStatus, body          string
	}{
		"unknown service":            {"POST", "/api.Nope/Nope", "application/grpc", true, 200, "12", ""},
		"unknown, with codec":        {"POST", "/api.Nope/Nope", "application/grpc+proto", true, 200, "12", ""},
		"a service's name only":      {"POST", "/test.Probe", "application/grpc", true, 200, "12", ""},
		"a name that goes on":        {"POST", "/test.ProbeX/Count", "application/grpc", true, 200, "12", ""},
		"out of a service":           {"POST", "/test.Probe/../api.Nope/Nope", "application/grpc", true, 200, "12", ""},
		"plain HTTP/2":               {"GET", "/", "", true, 404, "", message},
		"plain HTTP/1.1":             {"GET", "/index.html", "text/html", false, 404, "", message},
		"escaped slash":              {"POST", "/test.Probe%2fCount", "text/plain", true, 404, "", message},
		"the ready path is not here": {"GET", envoy.ReadyPath, "", false, 404, "", message},
	} {
		t.Run(name, func(t *testing.T) {
			request, err := http.NewRequestWithContext(callContext(t), test.method, "https://"+e.address(), nil)
			if err != nil {
				t.Fatal(err)
			}
			request.URL.Opaque = test.path // as it is, not cleaned
			request.Header.Set("Content-Type", test.contentType)
			response, err := e.browser(t, test.h2).Do(request)
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = response.Body.Close() }()
			body, err := io.ReadAll(response.Body)
			if err != nil {
				t.Fatal(err)
			}
			// In the header, not the trailer: gRPC calls this form Trailers-Only.
			if got := response.Header.Get("Grpc-Status"); response.StatusCode != test.status || got != test.grpcStatus {
				t.Errorf("%s = HTTP %d, grpc-status %q, want %d, %q", test.path, response.StatusCode, got, test.status, test.grpcStatus)
			}
			if test.status != http.StatusBadRequest && string(body) != test.body {
				t.Errorf("%s has body %q, want %q", test.path, body, test.body)
			}
			if got := response.Header.Get("Grpc-Message"); test.grpcStatus != "" && got != message {
				t.Errorf("%s has grpc-message %q, want %q", test.path, got, message)
			}
			if test.h2 != (response.ProtoMajor == 2) {
				t.Errorf("%s was answered in %s", test.path, response.Proto)
			}
		})
	}
}

// TestPathHasOneSpelling sends other spellings of a path, which a backend might read as a method
// whose rule they do not have.
func TestPathHasOneSpelling(t *testing.T) {
	t.Parallel()
	config, backend := oneBackend(t)
	connection := start(t, config).dial(t)
	for _, path := range []string{
		"//test.Probe///Count", "/api.Nope/../test.Probe/Count", "/test.Probe//Count", "/test.Probe/./Count", "/test.Probe/Count/",
		"/test.Probe/C%6funt", "/test.Probe%2FCount", `/test.Probe\Count`, "/test.Probe/",
	} {
		err := connection.Invoke(callContext(t), path, wrapperspb.String(""), &wrapperspb.StringValue{})
		if status.Code(err) != codes.Unimplemented {
			t.Errorf("%s = %v, want UNIMPLEMENTED", path, err)
		}
	}
	if got := backend.calls.Load(); got != 0 {
		t.Errorf("%d calls reached %s", got, count)
	}
}

// TestManyServices calls methods of the first and the last of many services: one that may be
// retried and has a route of its own, one that shares the route of its service, and two that the
// edge does not know.
func TestManyServices(t *testing.T) {
	t.Parallel()
	const many = 50
	port := freePort(t)
	backend := serve(t, "127.0.0.1", port)
	backend.answer(func(stream grpc.ServerStream) error {
		if err := stream.RecvMsg(&emptypb.Empty{}); err != nil {
			return err
		}
		return stream.SendMsg(&emptypb.Empty{})
	})
	var config envoy.Config
	for i := range many {
		source := fmt.Sprintf("package many%d; import \"google/protobuf/empty.proto\"; service Service {", i)
		for j := range 10 {
			source += fmt.Sprintf("rpc Method%d(google.protobuf.Empty) returns (google.protobuf.Empty) { option idempotency_level = %s; }\n",
				j, []string{"NO_SIDE_EFFECTS", "IDEMPOTENCY_UNKNOWN"}[j%2])
		}
		config.Backends = append(config.Backends, envoy.Backend{
			Name: fmt.Sprintf("many-%d", i), Address: "localhost", Port: port, Services: prototest.Services(t, source+"}"),
		})
	}
	connection := start(t, config).dial(t)
	for _, i := range []int{0, many - 1} {
		for _, method := range []string{"Method0", "Method9", "Method00", "New"} {
			path := fmt.Sprintf("/many%d.Service/%s", i, method)
			if err := connection.Invoke(callContext(t), path, &emptypb.Empty{}, &emptypb.Empty{}); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
	}
	err := connection.Invoke(callContext(t), fmt.Sprintf("/many%d.Service/Method0", many), &emptypb.Empty{}, &emptypb.Empty{})
	if status.Code(err) != codes.Unimplemented {
		t.Errorf("a method of a service that is not there: %v, want UNIMPLEMENTED", err)
	}
}
