package e2e

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"path/filepath"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
	"google.golang.org/protobuf/types/known/emptypb"

	"example.com/grpc-edge/envoy"
)

// startTwo runs two Envoys in front of one backend, and a client of both, as behind a load
// balancer. The client connects to the first, and to the second once the first is no longer ready.
func startTwo(t *testing.T, config envoy.Config) (first, second *edge, client *grpc.ClientConn) {
	t.Helper()
	first, second = start(t, config), start(t, config)
	roots := x509.NewCertPool()
	roots.AddCert(first.ca.certificate)
	roots.AddCert(second.ca.certificate)
	trust := first.ca.client()
	trust.RootCAs = roots
	balancer := manual.NewBuilderWithScheme("two")
	balancer.InitialState(resolver.State{Addresses: []resolver.Address{{Addr: first.address()}, {Addr: second.address()}}})
	// A load balancer sends nobody to an Envoy that is not ready.
	balancer.ResolveNowCallback = func(resolver.ResolveNowOptions) {
		if expectStatus(first.readyURL(), http.StatusOK) != nil {
			balancer.UpdateState(resolver.State{Addresses: []resolver.Address{{Addr: second.address()}}})
		}
	}
	client, err := grpc.NewClient("two:///", grpc.WithResolvers(balancer), grpc.WithTransportCredentials(credentials.NewTLS(trust)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = client.Close() })
	return first, second, client
}

// callers makes calls, a few at a time, until stop.
type callers struct {
	stop func()
	made atomic.Int64
}

func startCallers(t *testing.T, client *grpc.ClientConn) *callers {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	var wait sync.WaitGroup
	c := &callers{stop: func() { cancel(); wait.Wait() }}
	t.Cleanup(c.stop)
	for range 4 {
		wait.Go(func() {
			for ctx.Err() == nil {
				// Not cut off by stop, which would look like a failed call.
				if err := callCount(context.WithoutCancel(ctx), client); err != nil {
					t.Errorf("a call failed: %v", err)
					return
				}
				c.made.Add(1)
				time.Sleep(5 * time.Millisecond)
			}
		})
	}
	return c
}

// startDrain has an Envoy drained, as at the end of its pod.
func startDrain(t *testing.T, e *edge, budget time.Duration) *lifecycle {
	t.Helper()
	l := startLifecycle(t, e, "drain", budget)
	eventually(t, startLimit, func() error {
		_, err := l.log.find("waiting for SIGTERM")
		return err
	})
	if err := l.process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	return l
}

// openStream starts a call that gets one message at once, and another and the end after the time.
func openStream(t *testing.T, b *backend, client *grpc.ClientConn, lasts time.Duration) grpc.ClientStream {
	t.Helper()
	b.answer(func(stream grpc.ServerStream) error {
		method, _ := grpc.MethodFromServerStream(stream)
		if err := stream.SendMsg(&emptypb.Empty{}); err != nil || method != ticks {
			return err
		}
		select {
		case <-time.After(lasts):
			return stream.SendMsg(&emptypb.Empty{})
		case <-stream.Context().Done():
			return stream.Context().Err()
		}
	})
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	stream, err := client.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, ticks)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(stream.SendMsg(&emptypb.Empty{}), stream.CloseSend(), stream.RecvMsg(&emptypb.Empty{})); err != nil {
		t.Fatal(err)
	}
	return stream
}

// expectEnd waits for the second message and the end.
func expectEnd(t *testing.T, stream grpc.ClientStream) {
	t.Helper()
	if err := stream.RecvMsg(&emptypb.Empty{}); err != nil {
		t.Errorf("the stream was cut: %v", err)
		return
	}
	if err := stream.RecvMsg(&emptypb.Empty{}); !errors.Is(err, io.EOF) {
		t.Errorf("the stream ended with %v, want EOF", err)
	}
}

// TestDrainFailsNoCall takes one of two Envoys out of service while a client makes
// short calls, and has a stream that lasts into the second phase of 10 s.
func TestDrainFailsNoCall(t *testing.T) {
	t.Parallel()
	config, backend := oneBackend(t)
	config.DrainTime = 2 * time.Second
	first, second, client := startTwo(t, config)
	stream := openStream(t, backend, client, 12*time.Second)
	calls := startCallers(t, client)
	drain := startDrain(t, first, 20*time.Second)

	eventually(t, startLimit, func() error { return expectStatus(first.readyURL(), http.StatusServiceUnavailable) })
	expectEnd(t, stream)
	// Not "drained with calls that will be cut": the time was not used up.
	drain.expect(t, `"message":"drained"`)
	first.stat(t, callLimit, "http.https.downstream_cx_active", 0)
	// A new Envoy takes the calls that follow.
	before := calls.made.Load()
	eventually(t, callLimit, func() error {
		if calls.made.Load() < before+50 {
			return errNotYet
		}
		return nil
	})
	calls.stop()
	second.stat(t, callLimit, "http.https.downstream_cx_total", 1)
}

// TestIdleClientsAreTold checks that a client without a call gets GOAWAY from an Envoy that drains, and that
// the drain waits until it has left.
func TestIdleClientsAreTold(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	config.DrainFile = filepath.Join(t.TempDir(), "pressure")
	e := start(t, config)
	startLifecycle(t, e, "await", startLimit).expect(t, "each backend has healthy pods")
	idle := e.frames(t)
	_ = idle.connection.SetDeadline(time.Now().Add(time.Minute))
	drain := startDrain(t, e, 20*time.Second)
	for told := false; ; {
		frame, err := idle.ReadFrame()
		if errors.Is(err, io.EOF) && told {
			break
		}
		if err != nil {
			t.Fatalf("the connection ended with %v, before GOAWAY: %t", err, !told)
		}
		if goaway, ok := frame.(*http2.GoAwayFrame); ok {
			told = true
			if goaway.ErrCode != http2.ErrCodeNo {
				t.Errorf("GOAWAY says %v", goaway.ErrCode)
			}
		}
	}
	drain.expect(t, `"message":"drained"`)
}

// TestDrainWaitsForAHungCall checks that a drain waits for a hung call, within its budget.
func TestDrainWaitsForAHungCall(t *testing.T) {
	t.Parallel()
	config, backend := oneBackend(t)
	config.DrainTime = time.Second
	e := start(t, config)
	openStream(t, backend, e.dial(t), time.Minute)
	startDrain(t, e, 5*time.Second).expect(t, `"left":"1 calls on 1 connections"`)
}

// TestClientsStayWhileReadinessFails checks that clients are not told to leave yet: the load
// balancer would still send them to the same Envoy.
func TestClientsStayWhileReadinessFails(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	e := start(t, config)
	client := e.dial(t)
	if status, _, err := get(http.MethodPost, e.adminURL("/healthcheck/fail")); err != nil || status != http.StatusOK {
		t.Fatalf("POST /healthcheck/fail = %d, %v", status, err)
	}
	for range 50 {
		if err := callCount(t.Context(), client); err != nil {
			t.Fatal(err)
		}
	}
	e.stat(t, callLimit, "http.https.downstream_cx_total", 1)
}
