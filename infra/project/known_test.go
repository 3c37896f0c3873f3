package project

import (
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// slowAPIs refuses the first calls of every API as Google does in a new project.
type slowAPIs struct {
	mu    sync.Mutex
	calls map[string]int // by host
}

func (s *slowAPIs) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.calls[r.Host]++
	if s.calls[r.Host] <= 2 {
		w.WriteHeader(http.StatusForbidden)
		_, _ = io.WriteString(w, `{"error": {"code": 403, "status": "PERMISSION_DENIED", "details": [{"reason": "SERVICE_DISABLED"}]}}`)
		return
	}
	if r.Header.Get("Authorization") != "Bearer token" || r.URL.Path == "/" {
		http.Error(w, "want the token and a method", http.StatusBadRequest)
		return
	}
	http.Error(w, `{"error": {"code": 403, "status": "PERMISSION_DENIED"}}`, http.StatusForbidden) // known, and not allowed
}

// redirect sends every request to one server.
type redirect struct{ to *url.URL }

func (r redirect) RoundTrip(request *http.Request) (*http.Response, error) {
	host := request.URL.Host
	request = request.Clone(request.Context())
	request.URL.Scheme, request.URL.Host, request.Host = r.to.Scheme, r.to.Host, host
	return http.DefaultTransport.RoundTrip(request)
}

func TestWaitKnown(t *testing.T) {
	apis := &slowAPIs{calls: map[string]int{}}
	server := httptest.NewServer(apis)
	defer server.Close()
	to, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	before := remote.DefaultTransport
	remote.DefaultTransport = redirect{to}
	defer func() { remote.DefaultTransport = before }()
	waitKnown(t.Context(), "my-project", "token", time.Millisecond)
	for _, service := range append(slices.Clone(services), resourceManager) {
		if apis.calls[service] != 3 {
			t.Errorf("%s was asked %d times, want 3: until it was known", service, apis.calls[service])
		}
	}
	if hosts := slices.Sorted(maps.Keys(apis.calls)); len(hosts) != len(services)+1 {
		t.Errorf("asked %v, want the APIs that every stack has", hosts)
	}
	server.Close()
	waitKnown(t.Context(), "my-project", "token", time.Hour) // nobody answers: nothing to wait for
}
