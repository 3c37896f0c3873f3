// Package e2e drives the real Envoy, with the configuration of package envoy,
// between real gRPC clients and servers on loopback. It is a package of its own
// to keep what only these tests import apart from the unit tests.
package e2e

import (
	"bytes"
	"context"
	"crypto/elliptic"
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	"example.com/grpc-edge/envoy"
)

// translated makes all of these tests take the route for pages and REST, through every filter
// (`go test ./e2e -translated`), to check that what they show holds there too.
var translated = flag.Bool("translated", false, "treat native gRPC as what is not")

// startLimit and stopLimit bound what takes well under a second on an idle machine.
const (
	startLimit = 30 * time.Second
	stopLimit  = 10 * time.Second
)

// edge is one running Envoy.
type edge struct {
	config  envoy.Config
	ca      *authority
	process *os.Process
	stdout  lines
}

// start runs Envoy in front of the backends until the test ends. It returns once Envoy says it is
// ready. The pairs in replace change Envoy's files where they differ from the image, as for
// strings.NewReplacer.
func start(t *testing.T, config envoy.Config, replace ...string) *edge {
	t.Helper()
	return startWith(t, elliptic.P256(), config, replace...)
}

// startWith runs Envoy as start does, with the key of the first certificate on this curve.
func startWith(t *testing.T, curve elliptic.Curve, config envoy.Config, replace ...string) *edge {
	t.Helper()
	e := &edge{config: prepare(t, config, replace...), ca: newAuthority(t)}
	e.ca.issueOn(t, curve, e.config.CertificateDir)

	var stderr bytes.Buffer
	command := exec.Command(envoyBinary(t), arguments(e.config)...)
	command.Stdout, command.Stderr = &e.stdout, &stderr
	if err := command.Start(); err != nil {
		t.Fatalf("starting Envoy: %v", err)
	}
	e.process = command.Process
	exited := make(chan error, 1)
	go func() { exited <- command.Wait() }()
	t.Cleanup(func() {
		stop(t, command.Process, exited)
		// Envoy warns here of configuration that it will no longer accept.
		if text := stderr.String(); t.Failed() || strings.Contains(text, "eprecated") {
			t.Errorf("Envoy's log:\n%s", text)
		}
	})
	eventually(t, startLimit, func() error {
		select {
		case err := <-exited:
			exited <- err
			t.Fatalf("Envoy ended while starting: %v", err)
		default:
		}
		return expectStatus(e.readyURL(), http.StatusOK)
	})
	return e
}

// prepare gives the config folders and ports of its own and writes its files.
func prepare(t *testing.T, config envoy.Config, replace ...string) envoy.Config {
	t.Helper()
	dir := t.TempDir()
	config.ConfigDir, config.CertificateDir = dir, filepath.Join(dir, "tls")
	for _, port := range []*uint32{&config.HTTPSPort, &config.MetricsPort, &config.ReadyPort, &config.AdminPort} {
		*port = freePort(t)
	}
	files, err := envoy.Files(config)
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range files {
		if *translated {
			content = strings.ReplaceAll(content, `"exact": "application/grpc"`, `"exact": "nothing"`)
		}
		writeFile(t, filepath.Join(dir, name), []byte(strings.NewReplacer(replace...).Replace(content)))
	}
	return config
}

// ownZone is the zone of the node on which Envoy runs.
const ownZone = "zone-a"

// arguments returns the container's arguments, with variables replaced as by Kubernetes.
func arguments(config envoy.Config) []string {
	args := envoy.Args(config)
	for i := range args {
		args[i] = strings.ReplaceAll(args[i], "$(ZONE)", ownZone)
	}
	return args
}

// envoyBinary returns the path of Envoy, from $ENVOY or in the repository's cache.
func envoyBinary(t *testing.T) string {
	t.Helper()
	binary := os.Getenv("ENVOY")
	if binary == "" {
		binary = filepath.Join("..", "..", ".cache", "bin", "envoy")
	}
	path, err := exec.LookPath(binary)
	if err != nil {
		t.Fatalf("these tests need the real Envoy: %v; run `make tools`, or set ENVOY to its path", err)
	}
	return path
}

// stop ends Envoy, which must not have ended before.
func stop(t *testing.T, process *os.Process, exited <-chan error) {
	select {
	case err := <-exited:
		t.Errorf("Envoy ended on its own: %v", err)
		return
	default:
	}
	if err := process.Signal(syscall.SIGTERM); err != nil {
		t.Errorf("stopping Envoy: %v", err)
	}
	select {
	case err := <-exited:
		t.Logf("Envoy stopped: %v", err)
	case <-time.After(stopLimit):
		_ = process.Kill()
		t.Errorf("Envoy did not stop within %v of SIGTERM, and then: %v", stopLimit, <-exited)
	}
}

func (e *edge) address() string { return fmt.Sprintf("127.0.0.1:%d", e.config.HTTPSPort) }

func (e *edge) readyURL() string {
	return fmt.Sprintf("http://127.0.0.1:%d%s", e.config.ReadyPort, envoy.ReadyPath)
}

func (e *edge) metricsURL() string {
	return fmt.Sprintf("http://127.0.0.1:%d%s", e.config.MetricsPort, envoy.MetricsPath)
}

func (e *edge) adminURL(path string) string {
	return fmt.Sprintf("http://127.0.0.1:%d%s", e.config.AdminPort, path)
}

// dial returns a gRPC client that trusts the test's authority.
func (e *edge) dial(t *testing.T, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	return e.dialTLS(t, e.ca.client(), options...)
}

// dialTLS returns a gRPC client with its own TLS settings.
func (e *edge) dialTLS(t *testing.T, client *tls.Config, options ...grpc.DialOption) *grpc.ClientConn {
	t.Helper()
	options = append(options, grpc.WithTransportCredentials(credentials.NewTLS(client)))
	connection, err := grpc.NewClient(e.address(), options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	return connection
}

// browser returns an HTTP client of the TLS port. It speaks HTTP/2 if h2.
func (e *edge) browser(t *testing.T, h2 bool) *http.Client {
	t.Helper()
	transport := &http.Transport{TLSClientConfig: e.ca.client(), ForceAttemptHTTP2: h2}
	if !h2 {
		transport.TLSNextProto = map[string]func(string, *tls.Conn) http.RoundTripper{}
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: callLimit}
}

// callLimit is for calls that should take milliseconds.
const callLimit = 10 * time.Second

func callContext(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), callLimit)
	t.Cleanup(cancel)
	return ctx
}

// get requests the URL once, on a connection of its own.
func get(method, url string) (status int, body string, err error) {
	request, err := http.NewRequest(method, url, nil)
	if err != nil {
		return 0, "", err
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}, Timeout: callLimit}
	response, err := client.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	return response.StatusCode, string(content), err
}

func expectStatus(url string, want int) error {
	status, body, err := get(http.MethodGet, url)
	if err == nil && status != want {
		err = fmt.Errorf("GET %s = %d %q, want %d", url, status, body, want)
	}
	return err
}

// eventually repeats the check until it passes.
func eventually(t *testing.T, limit time.Duration, check func() error) {
	t.Helper()
	deadline := time.Now().Add(limit)
	for {
		err := check()
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("after %v: %v", limit, err)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// counter returns Envoy's statistic of this name, or 0 if there is none.
func (e *edge) counter(t *testing.T, name string) int64 {
	t.Helper()
	_, text, err := get(http.MethodGet, e.adminURL("/stats?filter="+url.QueryEscape("^"+regexp.QuoteMeta(name)+"$")))
	if err != nil {
		t.Fatal(err)
	}
	_, value, found := strings.Cut(strings.TrimSpace(text), name+": ")
	if !found {
		return 0
	}
	number, err := strconv.ParseInt(value, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return number
}

// awaitPods waits until so many pods of the cluster are healthy. On a busy machine one may
// need its second health check, when Envoy is ready already.
func (e *edge) awaitPods(t *testing.T, cluster string, healthy int64) {
	t.Helper()
	eventually(t, startLimit, func() error {
		if got := e.counter(t, "cluster."+cluster+".membership_healthy"); got != healthy {
			return fmt.Errorf("%d pods of %s are healthy, want %d", got, cluster, healthy)
		}
		return nil
	})
}
