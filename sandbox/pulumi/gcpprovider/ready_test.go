package gcpprovider_test

import (
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"example.com/grpc-edge/sandbox/cluster"
	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/apis"
	"example.com/grpc-edge/sandbox/googleapis"
	"example.com/grpc-edge/sandbox/pulumi/clitest"
)

// TestNewAPIsAreWaitedFor uses APIs in a new project with the real engine. Their delay ends once
// the program has asked the API of the role and was refused: without that it fails for good.
func TestNewAPIsAreWaitedFor(t *testing.T) {
	t.Parallel()
	began, passed := time.Now(), atomic.Int64{}
	cloud, err := gcp.Open(t.TempDir(), apis.All(nil), gcp.WithOperationTime(0), gcp.WithPropagation(time.Minute),
		gcp.WithClock(func() time.Time { return began.Add(time.Duration(passed.Load())) }))
	if err != nil {
		t.Fatal(err)
	}
	probes := googleapis.Probes(cloud)
	proxy, ca := google(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		probes.ServeHTTP(w, r)
		if r.Host == "iam.googleapis.com" {
			passed.Store(int64(time.Minute))
		}
	}))
	p := clitest.New(t, "../../../infra/project/testdata/waiting", "buildTarget: "+filepath.Join(t.TempDir(), "program"))
	p.Env = []string{"PULUMI_DEBUG_PROVIDERS=gcp:" + serve(t, cloud), "HTTPS_PROXY=" + proxy, "SSL_CERT_FILE=" + ca}
	p.MustRun("config", "set", "gcp:project", "test-project")
	p.MustRun("preview") // asks nobody
	output := p.MustRun("up", "--yes", "--skip-preview")
	if want := "waiting until this API is usable: https://iam.googleapis.com/"; !strings.Contains(output, want) {
		t.Errorf("up does not say %q:\n%s", want, output)
	}
	if number := p.MustRun("stack", "output", "number"); strings.TrimSpace(number) != gcp.ProjectNumber("test-project") {
		t.Errorf("the project's number is %q", number)
	}
}

// google serves all of Google's hosts over TLS. It returns the proxy by which they are reached,
// and a file with the authority to trust.
func google(t *testing.T, handler http.Handler) (proxy, ca string) {
	t.Helper()
	authority, err := cluster.OpenAuthority(t.TempDir(), "Google")
	if err != nil {
		t.Fatal(err)
	}
	hosts := httptest.NewUnstartedServer(handler)
	hosts.TLS = googleapis.TLS(authority)
	hosts.StartTLS()
	t.Cleanup(hosts.Close)
	tunnels := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		there, err := net.Dial("tcp", hosts.Listener.Addr().String())
		if err != nil {
			t.Error(err)
			return
		}
		defer there.Close()
		w.WriteHeader(http.StatusOK)
		here, _, err := http.NewResponseController(w).Hijack()
		if err != nil {
			t.Error(err)
			return
		}
		defer here.Close()
		go func() { _, _ = io.Copy(there, here) }()
		_, _ = io.Copy(here, there)
	}))
	t.Cleanup(tunnels.Close)
	ca = filepath.Join(t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, authority.PEM(), 0o600); err != nil {
		t.Fatal(err)
	}
	return tunnels.URL, ca
}
