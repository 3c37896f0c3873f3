package image

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/registry"
)

// counting is a registry that requires a password, counts requests, and may refuse them.
type counting struct {
	http.Handler
	mu sync.Mutex
	// requests counts reads and writes, by kind.
	requests map[string]int
	// refuse returns a status instead of the registry's answer, or 0.
	refuse func(kind string, count int) int
}

func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if user, password, _ := r.BasicAuth(); user != "oauth2accesstoken" || password != "token" {
		w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
		http.Error(w, "who are you", http.StatusUnauthorized)
		return
	}
	if status := c.count(r); status != 0 {
		http.Error(w, `{"errors":[]}`, status)
		return
	}
	c.Handler.ServeHTTP(w, r)
}

func (c *counting) count(r *http.Request) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	kind := ""
	switch {
	case r.Method == http.MethodHead && strings.Contains(r.URL.Path, "/manifests/"):
		kind = "look for manifest"
	case r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/manifests/"):
		kind = "write manifest"
	case r.Method == http.MethodPost && strings.Contains(r.URL.Path, "/blobs/uploads/"):
		kind = "write blob"
	default:
		return 0
	}
	c.requests[kind]++
	if c.refuse == nil {
		return 0
	}
	return c.refuse(kind, c.requests[kind])
}

func (c *counting) start(t *testing.T) string {
	t.Helper()
	c.Handler = registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true))
	c.requests = map[string]int{}
	server := httptest.NewServer(c)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func packed(t *testing.T, name, program string) *Built {
	t.Helper()
	image, err := pack(Source{Name: name, Architecture: "amd64"}, []byte(program))
	if err != nil {
		t.Fatal(err)
	}
	digest, err := image.Digest()
	if err != nil {
		t.Fatal(err)
	}
	return &Built{Image: image, Digest: digest.String()}
}

func TestPushSendsOnlyWhatIsMissing(t *testing.T) {
	t.Parallel()
	server := &counting{}
	host := server.start(t)
	push := func(program string) (bool, map[string]int) {
		t.Helper()
		built := packed(t, "echo", program)
		server.requests = map[string]int{}
		pushed, err := built.Push(t.Context(), host+"/project/images/echo@"+built.Digest, "token")
		if err != nil {
			t.Fatal(err)
		}
		return pushed, server.requests
	}
	all := map[string]int{"look for manifest": 2, "write blob": 2, "write manifest": 1}

	if pushed, requests := push("one"); !pushed || !cmp.Equal(all, requests) {
		t.Errorf("new image: pushed = %t, requests (-want +got):\n%s", pushed, cmp.Diff(all, requests))
	}
	if pushed, requests := push("one"); pushed || !cmp.Equal(map[string]int{"look for manifest": 1}, requests) {
		t.Errorf("same image: pushed = %t, requests = %v, want one look", pushed, requests)
	}
	if pushed, requests := push("two"); !pushed || !cmp.Equal(all, requests) {
		t.Errorf("other program: pushed = %t, requests (-want +got):\n%s", pushed, cmp.Diff(all, requests))
	}
	// The registry has the layer, but not this manifest: another architecture's.
	built := packed(t, "echo", "two")
	arm, err := pack(Source{Name: "echo", Architecture: "arm64"}, []byte("two"))
	if err != nil {
		t.Fatal(err)
	}
	digest, err := arm.Digest()
	if err != nil || digest.String() == built.Digest {
		t.Fatalf("digest = %v, %v; want another than %s", digest, err, built.Digest)
	}
	server.requests = map[string]int{}
	if _, err := (&Built{Image: arm}).Push(t.Context(), host+"/project/images/echo@"+digest.String(), "token"); err != nil {
		t.Fatal(err)
	}
	if server.requests["write blob"] != 1 {
		t.Errorf("same layer: %d blobs written, want 1, the configuration", server.requests["write blob"])
	}
}

func TestPushErrors(t *testing.T) {
	t.Parallel()
	first := func(status int) func(string, int) int {
		return func(kind string, count int) int {
			if kind == "look for manifest" && count == 1 {
				return status
			}
			return 0
		}
	}
	always := func(status int) func(string, int) int { return func(string, int) int { return status } }
	tests := []struct {
		name   string
		token  string
		refuse func(string, int) int
		want   string
	}{
		{"busy for a moment", "token", first(http.StatusServiceUnavailable), ""},
		{"too many requests", "token", first(http.StatusTooManyRequests), ""},
		{"no right", "token", always(http.StatusForbidden),
			"the identity that runs Pulumi needs roles/artifactregistry.writer on the repository"},
		{"wrong token", "old", nil,
			"the identity that runs Pulumi needs roles/artifactregistry.writer on the repository"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			server := &counting{refuse: test.refuse}
			host := server.start(t)
			built := packed(t, "echo", "program")
			_, err := built.Push(t.Context(), host+"/project/images/echo@"+built.Digest, test.token)
			if test.want == "" && err != nil {
				t.Errorf("Push = %v, want another try", err)
			}
			if test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
				t.Errorf("Push = %v, want %q", err, test.want)
			}
		})
	}
}

func TestPushWantsADigest(t *testing.T) {
	t.Parallel()
	built := packed(t, "echo", "program")
	if _, err := built.Push(t.Context(), "localhost/echo:latest", "token"); err == nil || !strings.Contains(err.Error(), `"localhost/echo:latest"`) {
		t.Errorf("Push to a tag = %v, want an error that names it", err)
	}
}
