package e2e

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"

	"example.com/grpc-edge/envoy"
)

// TestAuthorities asks by the names that the edge is for, and by others.
func TestAuthorities(t *testing.T) {
	t.Parallel()
	config, backend := oneBackend(t)
	config.Authorities = []string{"other.example.com", serverName}
	e := start(t, config)

	for name, taken := range map[string]bool{
		serverName: true, "other.example.com": true, "nobody.example.com": false, "x." + serverName: false, "": false,
	} {
		client := e.ca.client()
		client.ServerName, client.InsecureSkipVerify = name, true // the certificate is for one name alone
		connection, err := tls.Dial("tcp4", e.address(), client)
		if err == nil {
			_ = connection.Close()
		}
		if (err == nil) != taken {
			t.Errorf("a handshake for %q: %v, want taken=%t", name, err, taken)
		}
	}

	for name, want := range map[string]codes.Code{
		serverName: codes.OK, serverName + ":443": codes.OK, strings.ToUpper(serverName): codes.OK, "other.example.com": codes.OK,
		"nobody.example.com": codes.Unimplemented, serverName + ".evil.example": codes.Unimplemented,
	} {
		got, err := e.raw(t, count, func(r *http.Request) { r.Host = name })
		if err != nil || got.code != want || (want != codes.OK && got.message != "this :authority is not served here") {
			t.Errorf("a call with :authority %q: %v %q, %v, want %v", name, got.code, got.message, err, want)
		}
	}
	got, err := e.raw(t, count, func(r *http.Request) {
		r.Host = "nobody.example.com"
		r.Header.Set("Content-Type", "application/grpc; charset=utf-8")
	})
	if err != nil || got.code != codes.Unimplemented {
		t.Errorf("a call with another :authority and a parameter in its content type: %+v, %v, want %v", got, err, codes.Unimplemented)
	}
	if got := backend.calls.Load(); got != 4 {
		t.Errorf("%d calls reached the backend, want 4", got)
	}

	for name, want := range map[string]int{serverName: http.StatusNotFound, "nobody.example.com": http.StatusMisdirectedRequest} {
		got, err := e.raw(t, "/", func(r *http.Request) { web(r); r.Host = name })
		if err != nil || got.status != want {
			t.Errorf("a request with :authority %q: %d, %v, want %d", name, got.status, err, want)
		}
	}
}

// TestRulesByAuthority calls one service by three names. The first is for some clients and the
// second for all. By the third, only a method with a rule of its own is served.
func TestRulesByAuthority(t *testing.T) {
	t.Parallel()
	const narrow, open = "narrow.example.com", "open.example.com"
	config, backend := oneBackend(t)
	config.Authorities = []string{narrow, open, serverName}
	config.Rules = []envoy.Rule{
		{Service: probe, Authority: narrow, Clients: ranges("127.0.0.2/32")},
		{Service: probe, Authority: open},
		{Service: probe, Method: "Headers", Authority: narrow, Clients: ranges("127.0.0.3/32")},
		{Service: probe, Method: "Headers"},
	}
	e := start(t, config)
	const misdirected = "this :authority does not serve this method"
	for _, test := range []struct {
		client, authority, method string
		want                      codes.Code
		message                   string
	}{
		{"127.0.0.2", narrow, count, codes.OK, ""},
		{"127.0.0.2", "NARROW.example.com:8443", count, codes.OK, ""},
		{"127.0.0.3", narrow, count, codes.PermissionDenied, "RBAC: access denied"},
		{"127.0.0.3", "NARROW.example.com:8443", count, codes.PermissionDenied, "RBAC: access denied"},
		{"127.0.0.3", open, count, codes.OK, ""},
		{"127.0.0.3", serverName, count, codes.Unimplemented, misdirected},
		{"127.0.0.3", serverName, ticks, codes.Unimplemented, misdirected},
		{"127.0.0.3", "nobody.example.com", count, codes.Unimplemented, "this :authority is not served here"},
		{"127.0.0.2", narrow, headers, codes.PermissionDenied, "RBAC: access denied"},
		{"127.0.0.3", narrow, headers, codes.OK, ""},
		{"127.0.0.2", open, headers, codes.OK, ""},
		{"127.0.0.2", serverName, headers, codes.OK, ""},
	} {
		client := e.browser(t, true)
		client.Transport.(*http.Transport).DialContext = func(ctx context.Context, _, to string) (net.Conn, error) {
			return dialFrom(ctx, test.client, to)
		}
		got, err := e.rawBy(t, client, test.method, func(r *http.Request) { r.Host = test.authority })
		if err != nil || got.code != test.want || got.message != test.message {
			t.Errorf("%s by %s from %s: %v %q, %v, want %v %q", test.method, test.authority, test.client, got.code, got.message, err, test.want, test.message)
		}
	}
	if got := backend.calls.Load(); got != 3 {
		t.Errorf("%d calls reached the backend, want 3", got)
	}
	for contentType, want := range map[string]int{
		"application/json": http.StatusMisdirectedRequest, "text/plain": http.StatusMisdirectedRequest,
		"application/grpc-web+proto": http.StatusOK, // with the status UNIMPLEMENTED
	} {
		got, err := e.raw(t, count, func(r *http.Request) { r.Header.Set("Content-Type", contentType); r.Host = serverName })
		if err != nil || got.status != want {
			t.Errorf("%s by a name that does not serve it, as %s: %d, %v, want %d", count, contentType, got.status, err, want)
		}
	}
}

// TestRESTByAuthority has one method with a rule for one name.
func TestRESTByAuthority(t *testing.T) {
	t.Parallel()
	config := libraryConfig(t)
	config.REST, config.Authorities = true, []string{"open.example.com", serverName}
	config.Rules = []envoy.Rule{{Service: "test.Library", Method: "Get", Authority: "open.example.com"}}
	e := start(t, config)
	for _, test := range []struct {
		authority, path string
		want            int
	}{
		{"open.example.com", "/v1/shelves/1/books/a", http.StatusOK},
		{serverName, "/v1/shelves/1/books/a", http.StatusMisdirectedRequest},
		{"open.example.com", "/v1/shelves/1/books", http.StatusOK},
		{serverName, "/v1/shelves/1/books", http.StatusOK},
		{"other.example.com", "/v1/shelves/1/books", http.StatusMisdirectedRequest}, // no authority of the edge
		{"other.example.com", "/v1/nothing", http.StatusMisdirectedRequest},
	} {
		got, err := e.raw(t, test.path, func(r *http.Request) {
			r.Method, r.Body, r.ContentLength, r.Header, r.Host = http.MethodGet, nil, 0, http.Header{}, test.authority
		})
		if err != nil || got.status != test.want {
			t.Errorf("GET %s by %s: %d %v, %v, want %d", test.path, test.authority, got.status, got.header, err, test.want)
		}
	}
}
