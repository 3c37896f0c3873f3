package googleapis

import (
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"example.com/grpc-edge/sandbox/cluster"
)

func say(text string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, text) })
}

// probed matches an API that the program probes, in infra/project/known.go.
var probed = regexp.MustCompile(`(?m)^\t"([a-z]+\.googleapis\.com)": +"[^"]`)

// TestProbedHostsAreServed checks that no probe of the program leaves the sandbox, for Google's own API.
func TestProbedHostsAreServed(t *testing.T) {
	t.Parallel()
	source, err := os.ReadFile("../../infra/project/known.go")
	if err != nil {
		t.Fatal(err)
	}
	apis := probed.FindAllStringSubmatch(string(source), -1)
	if len(apis) < 5 {
		t.Errorf("infra/project/known.go probes %v", apis)
	}
	for _, api := range apis {
		if !served(api[1]) {
			t.Errorf("the program probes %s: add it to ProbedHosts", api[1])
		}
	}
}

func TestHandlers(t *testing.T) {
	t.Parallel()
	handler := Handlers{
		ArtifactRegistry: say("artifacts"), System: say("system"), KMS: say("keys"), Secrets: say("secrets"), Probes: say("probes"), ImagePolicy: say("policy"),
	}
	tests := []struct{ method, host, want string }{
		{http.MethodGet, "us-central1-docker.pkg.dev", "artifacts"},
		{http.MethodPut, "europe-west1-docker.pkg.dev:443", "artifacts"},
		{http.MethodGet, "gke.gcr.io", "system"},
		{http.MethodHead, "gke.gcr.io:443", "system"},
		{http.MethodPut, "gke.gcr.io", ""}, // its images are the sandbox's own
		{http.MethodDelete, "gke.gcr.io", ""},
		{http.MethodPost, "cloudkms.googleapis.com", "keys"},
		{http.MethodGet, "cloudkms.googleapis.com", "probes"},
		{http.MethodGet, "binaryauthorization.googleapis.com", "probes"},
		{http.MethodGet, "secretmanager.googleapis.com", "secrets"},
		{http.MethodGet, "compute.googleapis.com:443", "probes"},
		{http.MethodPost, "binaryauthorization.googleapis.com:443", "policy"},
		{http.MethodGet, "other.gcr.io", ""},
		{http.MethodGet, "us-central1-docker.pkg.dev.example.com", ""},
		{http.MethodGet, "docker.pkg.dev", ""},
		{http.MethodGet, "", ""},
	}
	listing, answer := httptest.NewRequest(http.MethodGet, "/v1/projects/p/secrets?pageSize=1", nil), httptest.NewRecorder()
	listing.Host = "secretmanager.googleapis.com"
	if handler.ServeHTTP(answer, listing); answer.Body.String() != "probes" {
		t.Errorf("a list of secrets is answered by %q, want probes", answer.Body)
	}
	for _, test := range tests {
		request, answer := httptest.NewRequest(test.method, "/v2/", nil), httptest.NewRecorder()
		request.Host = test.host
		handler.ServeHTTP(answer, request)
		if test.want == "" {
			if answer.Code != http.StatusNotFound {
				t.Errorf("%s to %q: got status %d, want 404", test.method, test.host, answer.Code)
			}
			continue
		}
		if answer.Code != http.StatusOK || answer.Body.String() != test.want {
			t.Errorf("%s to %q: got %d %q, want %q", test.method, test.host, answer.Code, answer.Body, test.want)
		}
	}
}

// TestTLS serves by the certificates and connects with several names.
func TestTLS(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	ca, err := cluster.OpenAuthority(dir, "Google")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(ca.PEM()) {
		t.Fatal("the authority is not PEM")
	}
	server := &http.Server{Handler: say("hello"), TLSConfig: TLS(ca)}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	go func() { _ = server.ServeTLS(listener, "", "") }()
	t.Cleanup(func() { _ = server.Close() })

	tests := map[string]bool{
		"us-central1-docker.pkg.dev": true, "europe-west1-docker.pkg.dev": true, cluster.SystemRegistry: true,
		KMS: true, cluster.SecretManager: true, cluster.BinaryAuthorization: true,
		"www.googleapis.com": false, "docker.pkg.dev": false, "evil.example": false, "": false,
		"../../escaped-docker.pkg.dev": false,
	}
	for host, served := range tests {
		for range 2 { // a certificate is issued once and used again
			c, err := tls.Dial("tcp", listener.Addr().String(), &tls.Config{ServerName: host, RootCAs: roots, InsecureSkipVerify: host == ""})
			if served != (err == nil) {
				t.Errorf("%q: got error %v, want served %t", host, err, served)
			}
			if err != nil {
				continue
			}
			if names := c.ConnectionState().PeerCertificates[0].DNSNames; len(names) != 1 || names[0] != host {
				t.Errorf("%q: got a certificate for %v", host, names)
			}
			_ = c.Close()
		}
	}
	if _, err := TLS(ca).GetCertificate(&tls.ClientHelloInfo{ServerName: "../../escaped-docker.pkg.dev"}); err == nil || !strings.Contains(err.Error(), "no certificate for") {
		t.Errorf("a name that is a path gave %v", err)
	}
	keys, err := filepath.Glob(filepath.Join(dir, "*.key"))
	if err != nil || len(keys) != 7 { // the authority's and those of the six names
		t.Errorf("got the keys %v (%v), want 7", keys, err)
	}
	if _, err := os.Stat(filepath.Join(dir, "..", "..", "escaped-docker.pkg.dev.key")); err == nil {
		t.Error("a name that is a path wrote outside of the authority's folder")
	}
}
