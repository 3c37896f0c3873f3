package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

func TestPlaintextIsRefused(t *testing.T) {
	t.Parallel()
	config, backend := oneBackend(t)
	e := start(t, config)

	if code, body, err := get(http.MethodGet, "http://"+e.address()+"/"); err == nil {
		t.Errorf("plain HTTP was answered with %d %q", code, body)
	}
	connection, err := grpc.NewClient(e.address(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	if err := callCount(t.Context(), connection); status.Code(err) != codes.Unavailable {
		t.Errorf("a gRPC call without TLS = %v, want UNAVAILABLE", err)
	}
	if calls := backend.calls.Load(); calls != 0 {
		t.Errorf("%d plaintext calls reached the backend", calls)
	}
}

func TestTLSVersions(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	e := start(t, config)
	for _, test := range []struct {
		version uint16
		taken   bool
	}{
		{tls.VersionTLS10, false}, {tls.VersionTLS11, false}, {tls.VersionTLS12, true}, {tls.VersionTLS13, true},
	} {
		client := e.ca.client()
		client.MinVersion, client.MaxVersion = test.version, test.version
		connection, err := tls.Dial("tcp4", e.address(), client)
		if err == nil {
			_ = connection.Close()
		}
		if (err == nil) != test.taken {
			t.Errorf("%s: %v, want taken=%t", tls.VersionName(test.version), err, test.taken)
		}
	}
}

// TestALPN shows what a client gets for what it offers. One that offers nothing
// is served HTTP/1.1; grpc-go, for one, will not go on with such an answer.
func TestALPN(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	e := start(t, config)
	for _, test := range []struct {
		offer []string
		want  string
	}{
		{[]string{"h2"}, "h2"},
		{[]string{"http/1.1", "h2"}, "h2"},
		{[]string{"http/1.1"}, "http/1.1"},
		{nil, ""},
		{[]string{"unknown"}, ""},
	} {
		client := e.ca.client()
		client.NextProtos = test.offer
		connection, err := tls.Dial("tcp4", e.address(), client)
		if err != nil {
			t.Errorf("offering %q: %v", test.offer, err)
			continue
		}
		if got := connection.ConnectionState().NegotiatedProtocol; got != test.want {
			t.Errorf("offering %q gave %q, want %q", test.offer, got, test.want)
		}
		if test.want != "h2" {
			if err := speakHTTP1(connection); err != nil {
				t.Errorf("HTTP/1.1 after offering %q: %v", test.offer, err)
			}
		}
		_ = connection.Close()
	}
}

func speakHTTP1(connection net.Conn) error {
	_ = connection.SetDeadline(time.Now().Add(callLimit))
	if _, err := fmt.Fprintf(connection, "GET / HTTP/1.1\r\nHost: %s\r\n\r\n", serverName); err != nil {
		return err
	}
	response, err := http.ReadResponse(bufio.NewReader(connection), nil)
	if err != nil {
		return err
	}
	_ = response.Body.Close()
	if response.StatusCode != http.StatusNotFound {
		return fmt.Errorf("GET / = %s, want 404", response.Status)
	}
	return nil
}

// TestCertificateRenewal replaces the certificate while calls go on.
func TestCertificateRenewal(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	e := start(t, config)
	first := e.serial(t)
	stopCalls := keepCalling(t, e)

	renewed := e.ca.issue(t, e.config.CertificateDir)
	eventually(t, noticeLimit, func() error {
		if got := e.serial(t); got != renewed {
			return fmt.Errorf("certificate %d is served, want %d (the first was %d)", got, renewed, first)
		}
		return nil
	})

	// Half a renewal must not take the edge down: the last good one stays.
	project(t, e.config.CertificateDir, map[string][]byte{"tls.crt": []byte("not PEM"), "tls.key": []byte("not PEM")})
	time.Sleep(time.Second)
	if got := e.serial(t); got != renewed {
		t.Errorf("after a broken renewal certificate %d is served, want %d", got, renewed)
	}
	if calls := stopCalls(); calls == 0 {
		t.Error("no call was made meanwhile")
	}
}

// serial is the serial number of the certificate that a new connection is shown.
func (e *edge) serial(t *testing.T) int64 {
	t.Helper()
	connection, err := tls.Dial("tcp4", e.address(), e.ca.client())
	if err != nil {
		t.Fatalf("connecting: %v", err)
	}
	defer func() { _ = connection.Close() }()
	return connection.ConnectionState().PeerCertificates[0].SerialNumber.Int64()
}

// keepCalling calls over one old connection and ever new ones. The function it
// returns ends that, and says how often it called.
func keepCalling(t *testing.T, e *edge) func() int {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	calls := make(chan int)
	old := e.dial(t)
	go func() {
		n := 0
		for ; ctx.Err() == nil; n++ {
			if err := callCount(t.Context(), old); err != nil {
				t.Errorf("a call on the old connection: %v", err)
			}
			if err := callOnce(t.Context(), e); err != nil {
				t.Errorf("a call on a new connection: %v", err)
			}
		}
		calls <- n
	}()
	return func() int {
		cancel()
		return <-calls
	}
}

// callOnce fails on the first refused connection, which a gRPC client would
// otherwise try again.
func callOnce(ctx context.Context, e *edge) error {
	client := e.ca.client()
	client.NextProtos = []string{"http/1.1"}
	dialer := &tls.Dialer{Config: client}
	connection, err := dialer.DialContext(ctx, "tcp4", e.address())
	if err != nil {
		return err
	}
	defer func() { _ = connection.Close() }()
	err = speakHTTP1(connection)
	if err != nil && strings.Contains(err.Error(), "context canceled") {
		return nil
	}
	return err
}
