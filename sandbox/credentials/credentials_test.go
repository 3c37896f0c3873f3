package credentials

import (
	"bytes"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestExecCredential(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	var out bytes.Buffer
	if err := PrintExecCredential(&out, state); err == nil || !strings.Contains(err.Error(), "make up") {
		t.Errorf("without a sandbox: got %v, want the way out", err)
	}
	if err := os.MkdirAll(filepath.Dir(DeployerToken(state)), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(DeployerToken(state), []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := PrintExecCredential(&out, state); err != nil {
		t.Fatal(err)
	}
	var got struct {
		APIVersion, Kind string
		Status           struct{ Token string }
	}
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	if got.APIVersion != "client.authentication.k8s.io/v1beta1" || got.Kind != "ExecCredential" || got.Status.Token != "secret" {
		t.Errorf("got %s", &out)
	}
}

func TestImageCredential(t *testing.T) {
	t.Parallel()
	known := netip.MustParseAddr("127.0.0.1")
	account := func(a netip.Addr) (string, bool) { return "nodes@p", a == known }
	server := httptest.NewServer(Metadata(account, func(email string) string { return "token of " + email }))
	defer server.Close()
	var out bytes.Buffer
	request := strings.NewReader(`{"kind":"CredentialProviderRequest","image":"us-central1-docker.pkg.dev/p/r/echo@sha256:00"}`)
	if err := PrintImageCredential(request, &out, server.URL); err != nil {
		t.Fatal(err)
	}
	var got imageResponse
	if err := json.Unmarshal(out.Bytes(), &got); err != nil {
		t.Fatal(err)
	}
	want := basicAuth{Username: "oauth2accesstoken", Password: "token of nodes@p"}
	if got.Auth["us-central1-docker.pkg.dev"] != want {
		t.Errorf("got %s", &out)
	}
}

func TestMetadataRefuses(t *testing.T) {
	t.Parallel()
	handler := Metadata(func(netip.Addr) (string, bool) { return "", false }, func(string) string { return "token" })
	tests := map[string]struct {
		flavor string
		want   int
	}{
		"without the header (a forged request)": {"", http.StatusForbidden},
		"from a pod":                            {"Google", http.StatusNotFound},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := httptest.NewRequest(http.MethodGet, tokenPath, nil)
			r.Header.Set("Metadata-Flavor", test.flavor)
			w := httptest.NewRecorder()
			handler.ServeHTTP(w, r)
			if w.Code != test.want || strings.Contains(w.Body.String(), "access_token") {
				t.Errorf("got %d %s, want %d and no token", w.Code, w.Body, test.want)
			}
		})
	}
}
