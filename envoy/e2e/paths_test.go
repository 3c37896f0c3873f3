package e2e

import (
	"context"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/emptypb"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/envoy/prototest"
)

// ways lists the ways in which a call reaches a method: the fast path of native gRPC, and
// those that first pass the filters for pages and REST.
var ways = map[string]func(*http.Request){
	"gRPC":                func(*http.Request) {},
	"gRPC with a subtype": func(r *http.Request) { r.Header.Set("Content-Type", "application/grpc+proto") },
	"gRPC of a page":      func(r *http.Request) { r.Header.Set("Origin", page) },
	"gRPC-Web":            func(r *http.Request) { r.Header.Set("Content-Type", "application/grpc-web+proto") },
	"REST": func(r *http.Request) {
		annotated := restOf[r.URL.Opaque]
		r.Method, r.URL.Opaque, r.Header = annotated.method, annotated.path, http.Header{}
		r.Body, r.ContentLength = nil, 0
		if annotated.body != "" {
			r.Body, r.ContentLength = io.NopCloser(strings.NewReader(annotated.body)), int64(len(annotated.body))
			r.Header.Set("Content-Type", "application/json")
		}
	},
}

// restOf has a request by REST for methods of [libraryProto] and of [waysProto].
var restOf = map[string]struct{ method, path, body string }{
	"/test.Library/Get":    {http.MethodGet, "/v1/shelves/a/books/b", ""},
	"/test.Library/List":   {http.MethodGet, "/v1/shelves/a/books", ""},
	"/test.Library/Create": {http.MethodPost, "/v1/shelves/a/books", "{}"},
	"/test.Library/Update": {http.MethodPatch, "/v1/shelves/a/books/b", "{}"},
	waysGet:                {http.MethodGet, "/v1/ways", ""},
	waysPut:                {http.MethodPost, "/v1/ways", "{}"},
	waysWatch:              {http.MethodGet, "/v1/watch", ""},
}

// outcome returns the code of an answer, whatever protocol it is in.
func (r reply) outcome() codes.Code {
	if r.header.Get("Grpc-Status") != "" || r.code != codes.Unknown {
		return r.code
	}
	return map[int]codes.Code{
		http.StatusOK: codes.OK, http.StatusUnauthorized: codes.Unauthenticated, http.StatusForbidden: codes.PermissionDenied,
		http.StatusNotFound: codes.Unimplemented, http.StatusMisdirectedRequest: codes.Unimplemented, http.StatusTooManyRequests: codes.ResourceExhausted,
		http.StatusInternalServerError: codes.Internal, http.StatusGatewayTimeout: codes.DeadlineExceeded,
	}[r.status]
}

// TestEveryWayIsGuarded checks that a forbidden call is refused whichever way it comes, although
// the filters that refuse it are in the chains of only some ways.
func TestEveryWayIsGuarded(t *testing.T) {
	t.Parallel()
	e := start(t, guardedLibrary(t))
	for _, test := range []struct {
		what, client, authority, method string
		want                            codes.Code
	}{
		{"who may call", "127.0.0.2", serverName, "Get", codes.OK},
		{"a client that is denied", "127.0.0.3", serverName, "Get", codes.PermissionDenied},
		{"a client that is not allowed", "127.0.0.17", serverName, "Get", codes.PermissionDenied},
		{"a client that the method's rule does not have", "127.0.0.6", serverName, "Get", codes.PermissionDenied},
		{"a call without the token that a service's rule wants", "127.0.0.2", serverName, "Update", codes.Unauthenticated},
		{"a call without the token that a method's rule wants", "127.0.0.2", serverName, "List", codes.Unauthenticated},
		{"another authority", "127.0.0.2", "nobody.example.com", "Get", codes.Unimplemented},
	} {
		for way, change := range ways {
			if got := e.callBy(t, change, test.client, test.authority, test.method); got != test.want {
				t.Errorf("%s, by %s: %v, want %v", test.what, way, got, test.want)
			}
		}
	}
}

// TestEveryWayTakesFromOneBucket calls by all ways in turn: a method with a rate, and then a method
// without one from a single address. All ways take tokens from the same bucket.
func TestEveryWayTakesFromOneBucket(t *testing.T) {
	t.Parallel()
	e := start(t, guardedLibrary(t))
	for _, test := range []struct {
		what, client, method string
		burst                int
	}{{"the rule's", "127.0.0.2", "Create", 8}, {"the client's", "127.0.0.4", "Get", 40}} {
		taken, last := 0, map[string]codes.Code{}
		for range 30 {
			for way, change := range ways {
				last[way] = e.callBy(t, change, test.client, serverName, test.method)
				if last[way] == codes.OK {
					taken++
				}
			}
		}
		if !within(taken, test.burst) {
			t.Errorf("of %s bucket %d calls were answered, want %d", test.what, taken, test.burst)
		}
		for way, code := range last {
			if code != codes.ResourceExhausted && code != codes.OK { // a token comes back each second
				t.Errorf("by %s, when %s bucket is empty: %v, want RESOURCE_EXHAUSTED", way, test.what, code)
			}
		}
	}
}

// guardedLibrary returns a configuration of the library that has a guard of every kind.
func guardedLibrary(t *testing.T) envoy.Config {
	t.Helper()
	config := libraryConfig(t)
	config.REST, config.Origins, config.Authorities = true, []string{page}, []string{serverName}
	config.AllowedClients, config.DeniedClients = ranges("127.0.0.0/28"), ranges("127.0.0.3/32")
	config.ClientRate = envoy.Rate{PerSecond: 1, Burst: 40}
	config.Issuers = []envoy.Issuer{{Name: "es", Issuer: "es", Audiences: []string{"library"}, JWKS: newECKey(t).jwks(t)}}
	const service = "test.Library"
	config.Rules = []envoy.Rule{
		{Service: service, Issuers: []string{"es"}},
		{Service: service, Method: "Get", Clients: ranges("127.0.0.2/32", "127.0.0.4/32")},
		{Service: service, Method: "List", Issuers: []string{"es"}},
		{Service: service, Method: "Create", Rate: envoy.Rate{PerSecond: 1, Burst: 8}},
	}
	return config
}

// callBy calls a method of the library from an address, and returns how that ended.
func (e *edge) callBy(t *testing.T, way func(*http.Request), client, authority, method string) codes.Code {
	t.Helper()
	browser := e.browser(t, true)
	transport := browser.Transport.(*http.Transport)
	transport.DialContext = func(ctx context.Context, _, to string) (net.Conn, error) { return dialFrom(ctx, client, to) }
	defer transport.CloseIdleConnections()
	got, err := e.rawBy(t, browser, "/test.Library/"+method, func(r *http.Request) { r.Host = authority; way(r) })
	if err != nil {
		t.Errorf("%s: %v", method, err)
	}
	return got.outcome()
}

// TestNoWayHoldsMessagesBack reads the first message of a stream that goes on.
func TestNoWayHoldsMessagesBack(t *testing.T) {
	t.Parallel()
	config, backend := oneBackend(t)
	config.REST, config.Backends[0].Services = true, prototest.Services(t, waysProto)
	release := make(chan struct{})
	defer close(release)
	backend.answer(func(stream grpc.ServerStream) error {
		if err := stream.SendMsg(&emptypb.Empty{}); err != nil {
			return err
		}
		<-release
		return nil
	})
	e := start(t, config)
	e.awaitPods(t, "probe", 1)
	client := e.browser(t, true)
	for way, change := range ways {
		response, err := client.Do(e.request(t, waysWatch, change))
		if err != nil {
			t.Fatalf("%s: %v", way, err)
		}
		if _, err := io.ReadFull(response.Body, make([]byte, 2)); err != nil {
			t.Errorf("the first message of a stream by %s: %v", way, err)
		}
		_ = response.Body.Close()
	}
}
