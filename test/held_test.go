package test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// apiHold is a proxy between Pulumi's Kubernetes provider and the API server. The provider's
// environment names it. It forwards all requests, and holds back the first answer for each
// object until the engine has been killed. The sandbox's command pause does the same to calls
// of the emulated cloud.
type apiHold struct {
	clusters string // the folder of the emulated clusters' state
	address  string
	accepted chan net.Conn

	mu     sync.Mutex
	method string          // whose answers are held; empty for none
	met    map[string]bool // objects whose first answer has come
	now    map[string]bool // objects whose answer is being held
	let    chan struct{}   // closed to end the held connections
}

// holdAPI starts the proxy for the clusters of a checkout. It stops at the end of the test.
func holdAPI(t *testing.T, c checkout) *apiHold {
	t.Helper()
	h := &apiHold{clusters: filepath.Join(c.dir, ".sandbox/clusters"), accepted: make(chan net.Conn), let: make(chan struct{})}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	h.address = listener.Addr().String()
	proxy := &http.Server{Handler: http.HandlerFunc(h.connect), ReadHeaderTimeout: time.Minute}
	inner := &http.Server{Handler: http.HandlerFunc(h.serve), ReadHeaderTimeout: time.Minute, TLSConfig: &tls.Config{
		MinVersion: tls.VersionTLS12, GetCertificate: h.certificate, NextProtos: []string{"h2", "http/1.1"},
	}}
	go func() { _ = proxy.Serve(listener) }()
	go func() { _ = inner.ServeTLS(newTunnels(h.accepted, listener.Addr()), "", "") }()
	t.Cleanup(func() {
		h.release()
		_ = proxy.Close()
		_ = inner.Close()
	})
	return h
}

// env returns the environment that makes the provider use the proxy. The program's own
// pushes of images do not use it.
func (h *apiHold) env() []string {
	return []string{"HTTPS_PROXY=http://" + h.address, "NO_PROXY=.pkg.dev,.googleapis.com"}
}

// hold makes the proxy hold the first answer for each object from now on: to create or to
// delete it. Any other verb turns this off.
func (h *apiHold) hold(verb string) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.method = map[string]string{"create": http.MethodPatch, "delete": http.MethodDelete}[verb]
	h.met, h.now = map[string]bool{}, map[string]bool{}
}

// held returns the sorted paths of the objects whose answers are being held.
func (h *apiHold) held() []string {
	h.mu.Lock()
	defer h.mu.Unlock()
	var list []string
	for path := range h.now {
		list = append(list, path)
	}
	slices.Sort(list)
	return list
}

// release ends the held connections, whose caller has been killed.
func (h *apiHold) release() {
	h.mu.Lock()
	defer h.mu.Unlock()
	close(h.let)
	h.let, h.now = make(chan struct{}), map[string]bool{}
}

// connect opens a tunnel to serve.
func (h *apiHold) connect(w http.ResponseWriter, r *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil || r.Method != http.MethodConnect {
		http.Error(w, "only CONNECT", http.StatusMethodNotAllowed)
		return
	}
	if _, err := fmt.Fprint(conn, "HTTP/1.1 200 OK\r\n\r\n"); err == nil {
		h.accepted <- conn
	}
}

// serve forwards a request, and may hold its answer.
func (h *apiHold) serve(w http.ResponseWriter, r *http.Request) {
	proxy := &httputil.ReverseProxy{
		Rewrite:       func(p *httputil.ProxyRequest) { p.SetURL(&url.URL{Scheme: "https", Host: r.Host}) },
		Transport:     upstream,
		FlushInterval: -1, // watches
		ModifyResponse: func(response *http.Response) error {
			if response.StatusCode/100 == 2 {
				return h.keep(r)
			}
			return nil
		},
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	proxy.ServeHTTP(w, r)
}

// upstream is the proxy's own transport to the API server, which is on this machine.
var upstream = &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, ForceAttemptHTTP2: true}

var errReleased = errors.New("the answer was held until its caller died")

// keep returns nil at once unless the answer is to be held. A held answer waits for release,
// and then gets an error.
func (h *apiHold) keep(r *http.Request) error {
	h.mu.Lock()
	if h.method != r.Method || r.URL.Query().Has("dryRun") || h.met[r.URL.Path] {
		h.mu.Unlock()
		return nil
	}
	h.met[r.URL.Path], h.now[r.URL.Path] = true, true
	let := h.let
	h.mu.Unlock()
	<-let
	return errReleased
}

// certificate returns a certificate for the addresses of API servers. The cluster's own
// authority signs it.
func (h *apiHold) certificate(*tls.ClientHelloInfo) (*tls.Certificate, error) {
	files, err := filepath.Glob(filepath.Join(h.clusters, "*", "pki", "ca.crt"))
	if err != nil || len(files) != 1 {
		return nil, fmt.Errorf("%d authorities of clusters, want one: %w", len(files), err)
	}
	authority, err := tls.LoadX509KeyPair(files[0], strings.TrimSuffix(files[0], ".crt")+".key")
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	leaf := &x509.Certificate{SerialNumber: big.NewInt(time.Now().UnixNano()), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour)}
	for i := range byte(8) { // addresses of emulated control planes
		leaf.IPAddresses = append(leaf.IPAddresses, net.IPv4(198, 51, 100, 2+i))
	}
	der, err := x509.CreateCertificate(rand.Reader, leaf, authority.Leaf, key.Public(), authority.PrivateKey)
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// tunnels is a listener whose connections are the tunnels that were asked for.
type tunnels struct {
	conns   chan net.Conn
	address net.Addr
	closed  chan struct{}
	once    *sync.Once
}

func newTunnels(conns chan net.Conn, address net.Addr) tunnels {
	return tunnels{conns, address, make(chan struct{}), new(sync.Once)}
}

// Accept returns the next tunnel, or an error once the listener is closed: the server
// waits for that when it is closed itself.
func (l tunnels) Accept() (net.Conn, error) {
	select {
	case conn := <-l.conns:
		return conn, nil
	case <-l.closed:
		return nil, net.ErrClosed
	}
}

// Close ends Accept.
func (l tunnels) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l tunnels) Addr() net.Addr { return l.address }
