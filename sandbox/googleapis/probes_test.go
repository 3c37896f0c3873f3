package googleapis

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/grpc-edge/sandbox/gcp"
)

// fakeChecker has one API enabled in one project.
type fakeChecker struct{}

func (fakeChecker) Identity(token string) (string, bool) { return "deployer", token == "good" }

func (fakeChecker) Enabled(api, project string) error {
	if api == "compute.googleapis.com" && project == "p" {
		return nil
	}
	return &gcp.Error{Code: 403, Reason: "accessNotConfigured", Message: "it is disabled"}
}

func TestProbes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		host, path, token string
		code              int
		want              string
	}{
		{"compute.googleapis.com", "/compute/v1/projects/p", "good", 404, "for Pulumi's provider only"},
		{"compute.googleapis.com:443", "/compute/v1/projects/p/zones", "good", 404, "only"},
		{"compute.googleapis.com", "/compute/v1/projects/q", "good", 403, `"reason":"SERVICE_DISABLED"`},
		{"iam.googleapis.com", "/v1/projects/p/roles", "good", 403, `"reason":"SERVICE_DISABLED"`},
		{"compute.googleapis.com", "/compute/v1/projects/p", "bad", 401, "UNAUTHENTICATED"},
	} {
		request, w := httptest.NewRequest(http.MethodGet, test.path, nil), httptest.NewRecorder()
		request.Host = test.host
		request.Header.Set("Authorization", "Bearer "+test.token)
		Probes(fakeChecker{}).ServeHTTP(w, request)
		if w.Code != test.code || !strings.Contains(w.Body.String(), test.want) {
			t.Errorf("%s%s: %d %s, want %d with %q", test.host, test.path, w.Code, w.Body, test.code, test.want)
		}
	}
}
