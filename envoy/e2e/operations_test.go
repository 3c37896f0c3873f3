package e2e

import (
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestEnvoyAcceptsTheConfiguration(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	args := append(arguments(prepare(t, config)), "--mode", "validate")
	if out, err := exec.Command(envoyBinary(t), args...).CombinedOutput(); err != nil || strings.Contains(string(out), "eprecated") {
		t.Errorf("envoy %s: %v\n%s", strings.Join(args, " "), err, out)
	}
}

// TestDrain begins as a rollout does: probes must fail while calls still work.
func TestDrain(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	e := start(t, config)
	connection := e.dial(t)
	if err := callCount(t.Context(), connection); err != nil {
		t.Fatal(err)
	}
	if status, body, err := get(http.MethodPost, e.adminURL("/healthcheck/fail")); err != nil || status != http.StatusOK {
		t.Fatalf("POST /healthcheck/fail = %d %q, %v", status, body, err)
	}
	if err := expectStatus(e.readyURL(), http.StatusServiceUnavailable); err != nil {
		t.Error(err)
	}
	for range 10 {
		if err := callCount(t.Context(), connection); err != nil {
			t.Errorf("a call during the drain: %v", err)
		}
	}
}

func TestListenersExposeNothingElse(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	e := start(t, config)

	status, body, err := get(http.MethodGet, e.metricsURL())
	if err != nil || status != http.StatusOK || !strings.Contains(body, "# TYPE envoy_server_live gauge") {
		t.Errorf("GET %s = %d, %v, want Prometheus text:\n%.500s", e.metricsURL(), status, err, body)
	}
	metrics, ready := fmt.Sprintf("127.0.0.1:%d", e.config.MetricsPort), fmt.Sprintf("127.0.0.1:%d", e.config.ReadyPort)
	for _, host := range []string{metrics, ready} {
		for _, request := range []string{
			"GET /", "GET /stats", "GET /stats/prometheus", "GET /config_dump", "GET /certs", "POST /quitquitquit",
			"POST /healthcheck/fail", "GET /metrics/", "GET /metrics/../config_dump", "GET /metrics%2f..%2fconfig_dump",
			"GET /%2e/config_dump", "POST /metrics", "GET /ready/", "GET /api.Echo/Echo",
		} {
			method, path, _ := strings.Cut(request, " ")
			got, err := rawStatus(host, method, path)
			if err != nil || got != http.StatusNotFound {
				t.Errorf("%s on %s = %d, %v, want 404", request, host, got, err)
			}
		}
	}
	if got, err := rawStatus(ready, http.MethodGet, "/metrics"); err != nil || got != http.StatusNotFound {
		t.Errorf("GET /metrics on the readiness listener = %d, %v, want 404", got, err)
	}
}

// rawStatus sends the path as it is.
func rawStatus(host, method, path string) (int, error) {
	request, err := http.NewRequest(method, "http://"+host, nil)
	if err != nil {
		return 0, err
	}
	request.URL.Opaque = path
	response, err := (&http.Transport{DisableKeepAlives: true}).RoundTrip(request)
	if err != nil {
		return 0, err
	}
	return response.StatusCode, response.Body.Close()
}

// TestAdminIsOnLoopbackOnly tries every address of the machine but 127.0.0.1.
func TestAdminIsOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	e := start(t, config)
	if err := expectStatus(e.adminURL("/ready"), http.StatusOK); err != nil {
		t.Fatal(err)
	}
	hosts := []string{"127.0.0.2"} // answers too if Envoy listens on all addresses
	addresses, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, address := range addresses {
		if network, ok := address.(*net.IPNet); ok && !network.IP.IsLoopback() && network.IP.To4() != nil {
			hosts = append(hosts, network.IP.String())
		}
	}
	for _, host := range hosts {
		connection, err := net.DialTimeout("tcp4", fmt.Sprintf("%s:%d", host, e.config.AdminPort), callLimit)
		if err == nil {
			_ = connection.Close()
			t.Errorf("the admin interface is reachable at %s", host)
		}
	}
}

// TestConnectionLimit fills Envoy with idle clients. Probes must still pass, or Kubernetes would
// take an Envoy that is full for an unhealthy one, which does not free a connection.
func TestConnectionLimit(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	config.MaxConnections = 3
	e := start(t, config)
	connect := func() (*tls.Conn, error) { return tls.Dial("tcp4", e.address(), e.ca.client()) }
	var held []*tls.Conn
	for range config.MaxConnections {
		connection, err := connect()
		if err != nil {
			t.Fatalf("connection %d of %d: %v", len(held)+1, config.MaxConnections, err)
		}
		defer func() { _ = connection.Close() }()
		held = append(held, connection)
	}
	for range 5 {
		for _, url := range []string{e.readyURL(), e.metricsURL()} {
			if err := expectStatus(url, http.StatusOK); err != nil {
				t.Error(err)
			}
		}
		if connection, err := connect(); err == nil {
			_ = connection.Close()
			t.Errorf("connection %d was taken", config.MaxConnections+1)
		}
	}
	_ = held[0].Close()
	eventually(t, callLimit, func() error {
		connection, err := connect()
		if err == nil {
			_ = connection.Close()
		}
		return err
	})

	// Envoy counts here how often it failed to update its number of connections.
	_, stats, err := get(http.MethodGet, e.adminURL("/stats?filter=global_downstream_max_connections"))
	if err != nil || !strings.Contains(stats, ".failed_updates: 0\n") {
		t.Errorf("the count of connections is off (%v):\n%s", err, stats)
	}
}

// TestNothingIsWritten looks for what a read-only root file system would break:
// an open file that is neither a pipe nor a socket, opened for writing.
func TestNothingIsWritten(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	e := start(t, config)
	if err := callCount(t.Context(), e.dial(t)); err != nil {
		t.Fatal(err)
	}
	process := filepath.Join("/proc", fmt.Sprint(e.process.Pid))
	entries, err := os.ReadDir(filepath.Join(process, "fd"))
	if err != nil {
		t.Fatal(err)
	}
	// The last octal digit of the flags is the access mode; 0 is O_RDONLY.
	readOnly := regexp.MustCompile(`(?m)^flags:\s+[0-7]*0$`)
	for _, entry := range entries {
		target, err := os.Readlink(filepath.Join(process, "fd", entry.Name()))
		if err != nil || !strings.HasPrefix(target, "/") || target == os.DevNull {
			continue
		}
		info, err := os.ReadFile(filepath.Join(process, "fdinfo", entry.Name()))
		if err == nil && !readOnly.Match(info) {
			t.Errorf("Envoy has %s open for writing", target)
		}
	}
	if maps, err := os.ReadFile(filepath.Join(process, "maps")); err != nil || strings.Contains(string(maps), "/dev/shm") {
		t.Errorf("Envoy uses shared memory (%v):\n%s", err, maps)
	}
}
