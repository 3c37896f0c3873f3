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
	enabled := slices.Sorted(maps.Keys(probes))
	urls, err := urlsOf("my-project", enabled)
	if err != nil {
		t.Fatal(err)
	}
	var told sync.Map
	tell := func(text string) { told.Store(text, true) }
	waitKnown(t.Context(), urls, "token", time.Millisecond, tell)
	for _, api := range enabled {
		want := 3 // until it was known
		if probes[api] == "" {
			want = 0
		}
		if apis.calls[api] != want {
			t.Errorf("%s was asked %d times, want %d", api, apis.calls[api], want)
		}
	}
	for _, url := range urls {
		if _, ok := told.Load("waiting until this API is usable: " + url); !ok {
			t.Errorf("nobody was told of the wait for %s", url)
		}
	}
	server.Close()
	waitKnown(t.Context(), urls, "token", time.Hour, tell) // nobody answers: nothing to wait for
}

// TestNoWaitForGooglesOwnProject checks that nobody waits for an API that is disabled in Google's
// own project: a user's credentials without a quota project stay refused, whatever is enabled.
func TestNoWaitForGooglesOwnProject(t *testing.T) {
	for consumer, want := range map[string]bool{"projects/764086051850": false, "projects/123456789012": true} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusForbidden)
			_, _ = io.WriteString(w, `{"error": {"code": 403, "details": [{"reason": "SERVICE_DISABLED", "metadata": {"consumer": "`+consumer+`"}}]}}`)
		}))
		defer server.Close()
		if got := disabled(t.Context(), server.URL, "token"); got != want {
			t.Errorf("disabled in %s: wait = %t, want %t", consumer, got, want)
		}
	}
}

func TestEachAPIHasAProbe(t *testing.T) {
	if _, err := urlsOf("my-project", []string{"pubsub.googleapis.com"}); err == nil {
		t.Error("an API that cannot be asked is accepted")
	}
}
