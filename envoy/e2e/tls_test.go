package e2e

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
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

// TestALPN checks the protocol that a client gets for its offer. A client that offers
// none gets HTTP/1.1; grpc-go, for one, refuses such a connection.
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

// renewalLimit is the time after which new connections see a new certificate.
const renewalLimit = 5 * time.Second

// TestCertificateRenewal replaces the certificate several times while calls go on.
func TestCertificateRenewal(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	e := start(t, config)
	stopCalls := keepCalling(t, e)

	var renewed int64
	for range 3 {
		renewed = e.ca.issue(t, e.config.CertificateDir)
		eventually(t, renewalLimit, func() error {
			if got := e.serial(t); got != renewed {
				return fmt.Errorf("certificate %d is served, want %d", got, renewed)
			}
			return nil
		})
	}

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

// serial returns the serial number of the certificate that a new connection gets.
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

// TestCipherSuites has a certificate for ECDSA, so that no suite for RSA can be chosen.
func TestCipherSuites(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	e := start(t, config)
	modern := []uint16{
		tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
		tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
	}
	for _, suite := range slices.Concat(tls.CipherSuites(), tls.InsecureCipherSuites()) {
		client := e.ca.client()
		client.MaxVersion, client.CipherSuites = tls.VersionTLS12, []uint16{suite.ID}
		connection, err := tls.Dial("tcp4", e.address(), client)
		if err == nil {
			_ = connection.Close()
		}
		if want := slices.Contains(modern, suite.ID); (err == nil) != want {
			t.Errorf("%s: %v, want taken=%t", suite.Name, err, want)
		}
	}
}

func TestCurves(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	e := start(t, config)
	for curve, taken := range map[tls.CurveID]bool{
		tls.X25519MLKEM768: true, tls.X25519: true, tls.CurveP256: true, tls.CurveP384: false, tls.CurveP521: false,
	} {
		client := e.ca.client()
		client.CurvePreferences = []tls.CurveID{curve}
		connection, err := tls.Dial("tcp4", e.address(), client)
		if err == nil {
			_ = connection.Close()
		}
		if (err == nil) != taken {
			t.Errorf("%s: %v, want taken=%t", curve, err, taken)
		}
	}
}

// TestClientCertificates checks what a certificate allows, and what the backend learns
// about it.
func TestClientCertificates(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	uri := &url.URL{Scheme: "spiffe", Host: "example.com", Path: "/caller"}
	known := ca.identity(t, &x509.Certificate{
		Subject: pkix.Name{CommonName: "caller"}, URIs: []*url.URL{uri}, DNSNames: []string{"caller.example.com"},
	})
	expired := ca.identity(t, &x509.Certificate{NotBefore: time.Now().Add(-2 * time.Hour), NotAfter: time.Now().Add(-time.Hour)})
	foreign := newAuthority(t).identity(t, &x509.Certificate{Subject: pkix.Name{CommonName: "caller"}})

	for _, required := range []bool{false, true} {
		config, _ := oneBackend(t)
		config.ClientCA, config.ClientCertificateRequired = ca.pem(), required
		e := start(t, config)
		for name, test := range map[string]struct {
			certificate []tls.Certificate
			taken       bool
			identity    []string
		}{
			"none":            {nil, !required, nil},
			"known":           {[]tls.Certificate{known}, true, []string{`Subject="CN=caller"`, "URI=" + uri.String(), "DNS=caller.example.com"}},
			"expired":         {[]tls.Certificate{expired}, false, nil},
			"wrong authority": {[]tls.Certificate{foreign}, false, nil},
		} {
			client := e.ca.client()
			client.GetClientCertificate = func(*tls.CertificateRequestInfo) (*tls.Certificate, error) {
				if len(test.certificate) == 0 {
					return &tls.Certificate{}, nil
				}
				return &test.certificate[0], nil // even one that Envoy does not ask for
			}
			got, err := identitySeen(t, e.dialTLS(t, client))
			if !test.taken {
				if status.Code(err) != codes.Unavailable {
					t.Errorf("required=%t: with %s certificate: %v, want UNAVAILABLE", required, name, err)
				}
				continue
			}
			if err != nil || (got != "") != (len(test.identity) > 0) || strings.Contains(got, "forged") {
				t.Errorf("required=%t: with %s certificate the backend was told %q, %v, want %q", required, name, got, err, test.identity)
			}
			for _, part := range test.identity {
				if !strings.Contains(got, part) {
					t.Errorf("required=%t: with %s certificate the backend was told %q, want %q", required, name, got, part)
				}
			}
		}
		e.logged(t, `"client_subject":"CN=caller"`) // fails without such a line
	}
}

// identitySeen forges an identity, and returns the identity that the backend got.
func identitySeen(t *testing.T, connection *grpc.ClientConn) (string, error) {
	t.Helper()
	ctx := metadata.AppendToOutgoingContext(callContext(t), "x-forwarded-client-cert", "Subject=forged")
	var reply wrapperspb.StringValue
	if err := connection.Invoke(ctx, headers, &emptypb.Empty{}, &reply); err != nil {
		return "", err
	}
	for line := range strings.Lines(reply.Value) {
		if identity, ok := strings.CutPrefix(line, "x-forwarded-client-cert: "); ok {
			return identity, nil
		}
	}
	return "", nil
}

// TestSessionResumption has a client return with a session ticket. Envoy must not accept it where
// it requires client certificates: the client would not have to prove that its own is still good.
func TestSessionResumption(t *testing.T) {
	t.Parallel()
	for _, ca := range []string{"", newAuthority(t).pem()} {
		config, _ := oneBackend(t)
		config.ClientCA = ca
		e := start(t, config)
		for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
			client := e.ca.client()
			client.MaxVersion, client.ClientSessionCache = version, tls.NewLRUClientSessionCache(1)
			client.NextProtos = []string{"http/1.1"}
			var resumed bool
			for range 2 {
				connection, err := tls.Dial("tcp4", e.address(), client)
				if err != nil {
					t.Fatal(err)
				}
				resumed = connection.ConnectionState().DidResume
				if err := speakHTTP1(connection); err != nil { // tickets of TLS 1.3 come with the first data
					t.Error(err)
				}
				_ = connection.Close()
			}
			if want := ca == ""; resumed != want {
				t.Errorf("%s, client certificates %t: resumed=%t", tls.VersionName(version), ca != "", resumed)
			}
		}
	}
}
