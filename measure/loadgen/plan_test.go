package loadgen

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	reverse "example.com/grpc-edge/services/reverse/api"
)

// worksLater answers the first call of each client at once. It signals each further call
// on came, and answers these after letGo is closed.
type worksLater struct {
	reverse.UnimplementedReverseServer
	first       atomic.Int64
	came, letGo chan struct{}
	refuse      bool
}

func (w *worksLater) Reverse(context.Context, *reverse.ReverseRequest) (*reverse.ReverseResponse, error) {
	if w.first.Add(1) <= planConnections {
		return &reverse.ReverseResponse{Content: worked}, nil
	}
	w.came <- struct{}{}
	<-w.letGo
	if w.refuse {
		return nil, status.Error(codes.ResourceExhausted, "too many")
	}
	return &reverse.ReverseResponse{Content: worked}, nil
}

// serve answers gRPC and REST at one address, as the edge does.
func serve(t *testing.T, w *worksLater) Target {
	t.Helper()
	grpcServer := grpc.NewServer()
	reverse.RegisterReverseServer(grpcServer, w)
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		if strings.HasPrefix(r.Header.Get("Content-Type"), "application/grpc") {
			grpcServer.ServeHTTP(out, r)
			return
		}
		reply, err := w.Reverse(r.Context(), nil)
		if err != nil {
			http.Error(out, err.Error(), http.StatusTooManyRequests)
			return
		}
		_, _ = out.Write([]byte(`{"content":"` + reply.GetContent() + `"}`))
	}))
	server.EnableHTTP2 = true
	server.StartTLS()
	t.Cleanup(server.Close)
	pool := x509.NewCertPool()
	pool.AddCert(server.Certificate())
	return Target{Address: server.Listener.Addr().String(), TLS: &tls.Config{RootCAs: pool, ServerName: "example.com", MinVersion: tls.VersionTLS12}}
}

func TestPlanDoesNotWaitForAnswers(t *testing.T) {
	t.Parallel()
	w := &worksLater{came: make(chan struct{}), letGo: make(chan struct{})}
	load, err := StartPlan(t.Context(), serve(t, w), time.Minute, Step{PerSecond: 100, For: 50 * time.Millisecond}, Step{PerSecond: 500})
	if err != nil {
		t.Fatal(err)
	}
	for range 40 { // no call has been answered yet
		<-w.came
	}
	close(w.letGo)
	go func() {
		for range w.came {
		}
	}()
	calls := load.Stop()
	close(w.came)
	if len(calls) < 40 {
		t.Fatalf("there were %d calls", len(calls))
	}
	for i, call := range calls[1:] {
		want := 2 * time.Millisecond
		if i < 5 {
			want = 10 * time.Millisecond
		}
		if between := call.Began.Sub(calls[i].Began); between != want || call.Client == calls[i].Client {
			t.Fatalf("call %d, by %s, began %s after one by %s, want %s, in turn", i+1, call.Client, between, calls[i].Client, want)
		}
	}
}

func TestPlannedClientsTellARefusal(t *testing.T) {
	t.Parallel()
	w := &worksLater{came: make(chan struct{}, 2), letGo: make(chan struct{}), refuse: true}
	target := serve(t, w)
	close(w.letGo)
	for n, protocol := range planClients {
		c, err := newPlanned(target, n)
		if err != nil {
			t.Fatal(err)
		}
		defer c.close()
		for _, refused := range []bool{false, true} {
			w.first.Store(map[bool]int64{true: planConnections}[refused])
			err := c.call(t.Context())
			if (err != nil) != refused || (Call{Err: err}).Refused() != refused {
				t.Errorf("a call by %s = %v, want refused %v", protocol, err, refused)
			}
		}
	}
}
