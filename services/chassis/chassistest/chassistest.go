// Package chassistest runs a service as a process, as in production, with its own
// main function, so that its tests see what clients see.
package chassistest

import (
	"bytes"
	"context"
	"net"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/health/grpc_health_v1"
)

// asService is the variable that makes a copy of the test binary run as the service.
const asService = "CHASSISTEST_SERVICE"

// Timeout is the time for a process to start serving, and for a test's calls to finish.
const Timeout = 20 * time.Second

// Main is to be called by TestMain. It runs the tests, or, in the process that
// [Start] starts, the service's main.
func Main(m *testing.M, main func()) {
	if os.Getenv(asService) != "" {
		main()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// Start starts the service with the environment NAME=value, and returns a
// connection to it once it is healthy. When the test ends it sends SIGTERM,
// and fails the test unless the process then ends without an error.
func Start(t *testing.T, environment ...string) *grpc.ClientConn {
	t.Helper()
	address := freeAddress(t)
	_, port, _ := net.SplitHostPort(address)

	var output bytes.Buffer
	process := exec.Command(os.Args[0])
	process.Env = append(withoutSettings(os.Environ()), asService+"=1", "PORT="+port, "TERMINATION_BUDGET=500ms")
	process.Env = append(process.Env, environment...)
	process.Stdout, process.Stderr = &output, &output
	if err := process.Start(); err != nil {
		t.Fatalf("starting the service: %v", err)
	}
	t.Cleanup(func() {
		if err := process.Process.Signal(syscall.SIGTERM); err != nil {
			t.Errorf("sending SIGTERM: %v", err)
		}
		if err := process.Wait(); err != nil {
			t.Errorf("after SIGTERM the service ended with: %v\n%s", err, &output)
		}
	})
	return dial(t, address)
}

// withoutSettings removes the variables that the chassis would read from the
// environment of the tests.
func withoutSettings(environment []string) []string {
	var kept []string
	for _, variable := range environment {
		if !strings.HasPrefix(variable, "OTEL_") && !strings.HasPrefix(variable, "LOG_LEVEL=") {
			kept = append(kept, variable)
		}
	}
	return kept
}

func freeAddress(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("looking for a free port: %v", err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func dial(t *testing.T, address string) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatalf("dialing %s: %v", address, err)
	}
	t.Cleanup(func() { conn.Close() })
	ctx, cancel := context.WithTimeout(t.Context(), Timeout)
	defer cancel()
	health := grpc_health_v1.NewHealthClient(conn)
	if _, err := health.Check(ctx, &grpc_health_v1.HealthCheckRequest{}, grpc.WaitForReady(true)); err != nil {
		t.Fatalf("waiting for the service to be healthy: %v", err)
	}
	return conn
}
