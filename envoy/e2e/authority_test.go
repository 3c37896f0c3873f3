package e2e

import (
	"crypto/tls"
	"net/http"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
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
