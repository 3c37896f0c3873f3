package credentialplugin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
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

// known returns a metadata server that knows one address.
func known(address string) http.Handler {
	return Metadata(func(_ context.Context, from netip.Addr) (Caller, error) {
		if from != netip.MustParseAddr(address) {
			return Caller{}, errors.New("nobody has this address")
		}
		return Caller{Project: "demo-project", ProjectNumber: "123", Identity: "principal://pod", Email: "demo-project.svc.id.goog"}, nil
	}, func(identity string) string { return "token of " + identity })
}

func TestImageCredential(t *testing.T) {
	t.Parallel()
	server := httptest.NewServer(known("127.0.0.1"))
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
	want := basicAuth{Username: "oauth2accesstoken", Password: "token of principal://pod"}
	if got.Auth["us-central1-docker.pkg.dev"] != want {
		t.Errorf("got %s", &out)
	}
}

// TestMetadata sends the requests of Google's libraries for Go, Python and Java.
func TestMetadata(t *testing.T) {
	t.Parallel()
	const pod, stranger = "10.4.0.7:4000", "10.4.0.8:4000"
	const account = "/computeMetadata/v1/instance/service-accounts/"
	tests := []struct {
		name, path, flavor, from string
		code                     int
		want                     string
	}{
		{"is it there", "/", "Google", pod, 200, "computeMetadata/"},
		{"project", "/computeMetadata/v1/project/project-id", "Google", pod, 200, "demo-project"},
		{"number", "/computeMetadata/v1/project/numeric-project-id", "Google", pod, 200, "123"},
		{"accounts", account, "Google", pod, 200, "default/\ndemo-project.svc.id.goog/"},
		{"email", account + "default/email", "Google", pod, 200, "demo-project.svc.id.goog"},
		{"scopes", account + "default/scopes", "Google", pod, 200, "https://www.googleapis.com/auth/cloud-platform"},
		{"account", account + "default/?recursive=true", "Google", pod, 200, `"email":"demo-project.svc.id.goog"`},
		{"token", account + "default/token", "Google", pod, 200, `{"access_token":"token of principal://pod","expires_in":3600,"token_type":"Bearer"}`},
		{"token by email", account + "demo-project.svc.id.goog/token?scopes=x", "Google", pod, 200, "token of principal://pod"},
		{"token of another", account + "admin@demo-project.iam.gserviceaccount.com/token", "Google", pod, 404, "is not that of"},
		{"identity", account + "default/identity?audience=x", "Google", pod, 404, "not annotated"},
		{"a forged request", account + "default/token", "", pod, 403, "Missing Metadata-Flavor"},
		{"from nobody", account + "default/token", "Google", stranger, 404, "nobody has this address"},
		{"from nobody, the project", "/computeMetadata/v1/project/project-id", "Google", stranger, 404, "nobody"},
		{"what is not emulated", "/computeMetadata/v1/instance/id", "Google", pod, 404, ""},
	}
	for _, test := range tests {
		r, w := httptest.NewRequest(http.MethodGet, test.path, nil), httptest.NewRecorder()
		r.Header.Set("Metadata-Flavor", test.flavor)
		r.RemoteAddr = test.from
		known("10.4.0.7").ServeHTTP(w, r)
		if w.Code != test.code || !strings.Contains(w.Body.String(), test.want) || test.code != 200 && strings.Contains(w.Body.String(), "token of") {
			t.Errorf("%s: got %d %s, want %d with %q", test.name, w.Code, w.Body, test.code, test.want)
		}
		if test.code == 200 && w.Header().Get("Metadata-Flavor") != "Google" {
			t.Errorf("%s: the answer has no Metadata-Flavor, by which libraries know the server", test.name)
		}
	}
}
