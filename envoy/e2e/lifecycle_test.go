package e2e

import (
	"crypto/elliptic"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/envoy/prototest"
)

// lifecycle describes the running program lifecycle for an Envoy.
type lifecycle struct {
	process *os.Process
	ended   chan error
	log     lines
}

// startLifecycle builds the program lifecycle and runs its command.
func startLifecycle(t *testing.T, e *edge, name string, budget time.Duration) *lifecycle {
	t.Helper()
	l := &lifecycle{ended: make(chan error, 1)}
	command := exec.Command(build(t, "../lifecycle"), name, "-admin", fmt.Sprintf("127.0.0.1:%d", e.config.AdminPort), "-budget", budget.String(), "-file", e.config.DrainFile)
	command.Stdout, command.Stderr = &l.log, &l.log
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill() })
	go func() { l.ended <- command.Wait() }()
	l.process = command.Process
	return l
}

// expect waits for the program to end well, having said the text last.
func (l *lifecycle) expect(t *testing.T, text string) {
	t.Helper()
	select {
	case err := <-l.ended:
		if err != nil {
			t.Errorf("lifecycle ended with %v", err)
		}
	case <-time.After(time.Minute):
		t.Fatal("lifecycle has not ended within a minute")
	}
	if _, err := l.log.find(text); err != nil {
		t.Error(err)
	}
}

// TestAwait has an Envoy that is ready before any pod of the backend has passed a
// health check, as where a pod's network policy does not know the Envoy yet.
func TestAwait(t *testing.T) {
	t.Parallel()
	port := freePort(t)
	e := start(t, envoy.Config{Backends: []envoy.Backend{probeAt(t, "localhost", port)}})
	client := e.dial(t)
	if err := callCount(t.Context(), client); status.Code(err) != codes.Unavailable {
		t.Fatalf("a call without a backend: %v, want %v", err, codes.Unavailable)
	}
	await := startLifecycle(t, e, "await", startLimit)
	select {
	case err := <-await.ended:
		t.Fatalf("await ended without a healthy backend: %v", err)
	case <-time.After(time.Second):
	}
	serve(t, "127.0.0.1", port)
	await.expect(t, "each backend has healthy pods")
	if err := callCount(t.Context(), client); err != nil {
		t.Errorf("a call after await: %v", err)
	}
}

// TestAwaitGivesUp checks that await gives up when one of two backends is down.
func TestAwaitGivesUp(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	down := probeAt(t, "localhost", freePort(t))
	down.Name, down.Services = "down", prototest.Services(t, "package test; service Down {}")
	config.Backends = append(config.Backends, down)
	startLifecycle(t, start(t, config), "await", 2*time.Second).expect(t, `"backends":"down"`)
}

// TestAwaitCertificate has Envoy refuse the first certificate, as on the curve P-224:
// await fails, so that the pod gets no clients, and ends well once another one is there.
func TestAwaitCertificate(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	e := startWith(t, elliptic.P224(), config)
	if err := expectStatus(e.readyURL(), http.StatusOK); err != nil {
		t.Errorf("Envoy itself says that it is ready: %v", err)
	}
	refused := startLifecycle(t, e, "await", 2*time.Second)
	if err := <-refused.ended; err == nil {
		t.Error("await ended well without a certificate")
	}
	if _, err := refused.log.find("no certificate: Envoy accepted none"); err != nil {
		t.Error(err)
	}
	e.ca.issue(t, e.config.CertificateDir)
	startLifecycle(t, e, "await", startLimit).expect(t, "each backend has healthy pods")
	if err := callCount(t.Context(), e.dial(t)); err != nil {
		t.Errorf("a call with the second certificate: %v", err)
	}
}
