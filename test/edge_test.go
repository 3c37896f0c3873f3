package test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
)

// rest returns an HTTP client that verifies the stack's certificate.
func (e edge) rest(t *testing.T) *http.Client {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(e.CACertificate)) {
		t.Fatal("the output caCertificate holds no certificate")
	}
	transport := &http.Transport{
		TLSClientConfig:   &tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS12},
		ForceAttemptHTTP2: true,
		// This does what `curl --resolve` does.
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, e.Address+":443")
		},
	}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport, Timeout: 10 * time.Second}
}

// post sends JSON, and returns the status and the answer without white space.
func post(t *testing.T, e edge, path, body string) (int, string) {
	t.Helper()
	response, err := e.rest(t).Post("https://"+e.Authority+path, "application/json", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, strings.Join(strings.Fields(string(content)), "")
}

func callREST(ctx context.Context, t *testing.T, c checkout) {
	e := outputs(ctx, t, c)
	for _, test := range []struct {
		path, body string
		status     int
		want       string // in the body
	}{
		{"/v1/echo", `{"content": "hello"}`, 200, `{"content":"hello"}`},
		{"/v1/reverse", `{"content": "hello"}`, 200, `{"content":"olleh"}`},
		{"/v1/echo", `{"content": 7`, 400, ""},
		{"/v1/nothing", `{}`, 404, ""},
	} {
		status, got := post(t, e, test.path, test.body)
		if status != test.status || !strings.Contains(got, test.want) {
			t.Errorf("POST %s %s = %d %s, want %d %s", test.path, test.body, status, got, test.status, test.want)
		}
	}
}

// reflect checks reflection and health at the edge with grpcurl alone.
func reflect(ctx context.Context, t *testing.T, c checkout) {
	want := []string{"api.Echo", "api.Reverse", "grpc.health.v1.Health"}
	if got := listServices(ctx, t, c); !containsAll(got, want) {
		t.Errorf("grpcurl list shows %q, want also %q", got, want)
	}
	if got := grpcurl(ctx, t, c, "", "describe", "api.Echo"); !strings.Contains(got, "rpc Echo ( .api.EchoRequest ) returns ( .api.EchoResponse )") {
		t.Errorf("grpcurl describe api.Echo: %s", got)
	}
	for _, service := range []string{"", "api.Echo", "api.Reverse"} {
		var reply struct{ Status string }
		text := grpcurl(ctx, t, c, fmt.Sprintf(`{"service": %q}`, service), "grpc.health.v1.Health/Check")
		if err := json.Unmarshal([]byte(text), &reply); err != nil || reply.Status != "SERVING" {
			t.Errorf("the health of %q is %s, %v", service, text, err)
		}
	}
}

// endStreams opens streams of a real service, which sends its first message at once and then
// waits, from clients without a timer of their own. At the deadline they must read its status:
// only the service can still send it, a little before the edge would reset the stream.
func endStreams(ctx context.Context, t *testing.T, c checkout) {
	e := outputs(ctx, t, c)
	client := e.rest(t)
	const streams = 10
	for _, contentType := range []string{"application/grpc", "application/grpc-web+proto"} {
		ends := make(chan string, streams)
		for range streams {
			go func() {
				ends <- endOfStream(ctx, client, "https://"+e.Authority+"/grpc.health.v1.Health/Watch", contentType)
			}()
		}
		got := map[string]int{}
		for range streams {
			got[<-ends]++
		}
		if got["grpc-status 4"] != streams {
			t.Errorf("%d streams of %s that outlive their deadline end with %v, want grpc-status 4 (DEADLINE_EXCEEDED)", streams, contentType, got)
		}
	}
}

// endOfStream calls a method with an empty request and a deadline of 2 s, and says how the
// answer ends.
func endOfStream(ctx context.Context, client *http.Client, url, contentType string) string {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, strings.NewReader("\x00\x00\x00\x00\x00"))
	if err != nil {
		return err.Error()
	}
	for name, value := range map[string]string{"Content-Type": contentType, "TE": "trailers", "Grpc-Timeout": "2S"} {
		request.Header.Set(name, value)
	}
	response, err := client.Do(request)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = response.Body.Close() }()
	content, err := io.ReadAll(response.Body)
	switch {
	case err != nil:
		return err.Error()
	case len(content) == 0:
		return "no message"
	}
	if _, trailers, web := strings.Cut(string(content), "grpc-status:"); web { // gRPC-Web's trailers are in the body
		code, _, _ := strings.Cut(trailers, "\r\n")
		return "grpc-status " + code
	}
	return "grpc-status " + response.Trailer.Get("Grpc-Status")
}

func listServices(ctx context.Context, t *testing.T, c checkout) []string {
	t.Helper()
	return strings.Fields(grpcurl(ctx, t, c, "", "list"))
}

// grpcurl runs the real grpcurl against the edge. It needs no file but the certificate.
func grpcurl(ctx context.Context, t *testing.T, c checkout, data string, args ...string) string {
	t.Helper()
	e := outputs(ctx, t, c)
	flags := []string{"-cacert", ".sandbox/ca.pem", "-authority", e.Authority}
	if data != "" {
		flags = append(flags, "-d", data)
	}
	return c.must(ctx, t, ".cache/bin/grpcurl", slices.Concat(flags, []string{e.Address + ":443"}, args)...)
}

func containsAll(list, want []string) bool {
	return !slices.ContainsFunc(want, func(one string) bool { return !slices.Contains(list, one) })
}
