package e2e

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/envoy/nameserver"
	"example.com/grpc-edge/envoy/prototest"
)

// callHeaders calls the method that may be retried.
func callHeaders(ctx context.Context, connection *grpc.ClientConn) error {
	ctx, cancel := context.WithTimeout(ctx, callLimit)
	defer cancel()
	return connection.Invoke(ctx, headers, &emptypb.Empty{}, &wrapperspb.StringValue{})
}

// TestRepeatableCallsAreTriedElsewhere has one of four pods fail what it gets.
func TestRepeatableCallsAreTriedElsewhere(t *testing.T) {
	t.Parallel()
	withFailingPod(t, func(t *testing.T, p *pods, failed *atomic.Int64) {
		connection := p.dial(t)
		eventually(t, noticeLimit, func() error {
			if err := callHeaders(t.Context(), connection); err != nil {
				t.Fatalf("a call that may be repeated: %v", err)
			}
			if failed.Load() == 0 {
				return errNotYet
			}
			return nil
		})
	})
}

// TestWhatIsNotRepeated has all pods answer UNAVAILABLE. Calls are not retried if a second one
// might do harm, or if Envoy cannot send them again.
func TestWhatIsNotRepeated(t *testing.T) {
	t.Parallel()
	const upload = "/test.Uploads/Upload"
	p := startPodsWith(t, func(_ *nameserver.Server, config *envoy.Config) {
		config.Backends[0].Services = append(config.Backends[0].Services, prototest.Services(t, `
package test;
import "google/protobuf/empty.proto";
service Uploads {
  rpc Upload(stream google.protobuf.Empty) returns (google.protobuf.Empty) { option idempotency_level = IDEMPOTENT; }
}`)...)
	})
	for _, b := range p.backends {
		b.fail(codes.Unavailable)
	}
	connection := p.dial(t)
	for _, test := range []struct {
		method string
		calls  int64
	}{{count, 1}, {upload, 1}, {headers, 3}} {
		p.forget()
		err := connection.Invoke(callContext(t), test.method, &emptypb.Empty{}, &emptypb.Empty{})
		if status.Code(err) != codes.Unavailable {
			t.Errorf("%s = %v, want UNAVAILABLE", test.method, err)
		}
		var sum int64
		for i, share := range p.shares() {
			sum += share
			if share > 1 {
				t.Errorf("%s was sent %d times to the pod %s", test.method, share, p.hosts[i])
			}
		}
		if sum != test.calls {
			t.Errorf("%s was sent %d times, want %d", test.method, sum, test.calls)
		}
	}
}

// TestBusyPodsAreNotAskedAgain has all pods refuse calls, like a chassis at its limit of
// calls under way. The method may be retried, but these calls must not be.
func TestBusyPodsAreNotAskedAgain(t *testing.T) {
	t.Parallel()
	p := startPods(t)
	for _, b := range p.backends {
		b.fail(codes.ResourceExhausted)
	}
	connection := p.dial(t)
	const calls = 30
	for range calls {
		if err := callHeaders(t.Context(), connection); status.Code(err) != codes.ResourceExhausted {
			t.Fatalf("a call = %v, want RESOURCE_EXHAUSTED", err)
		}
	}
	if shares := p.shares(); shares[0]+shares[1]+shares[2] != calls {
		t.Errorf("%d calls were sent to pods as %d: some more than once", calls, shares)
	}
	p.stat(t, callLimit, "cluster.probe.outlier_detection.ejections_enforced_total", 0)
}

// TestRetryBudget has all pods fail all calls, ninety at the same time. Each
// could be sent three times, and without a budget all of them are.
func TestRetryBudget(t *testing.T) {
	t.Parallel()
	const calls = 90
	p := startPods(t)
	var together sync.WaitGroup
	together.Add(calls)
	var arrived atomic.Int64
	for _, b := range p.backends {
		b.answer(func(grpc.ServerStream) error {
			if arrived.Add(1) <= calls {
				together.Done()
				together.Wait()
			}
			return status.Error(codes.Unavailable, "as the test wants")
		})
	}
	connection := p.dial(t)
	var wait sync.WaitGroup
	for range calls {
		wait.Go(func() {
			if err := callHeaders(t.Context(), connection); status.Code(err) != codes.Unavailable {
				t.Errorf("a call = %v, want UNAVAILABLE", err)
			}
		})
	}
	wait.Wait()
	if got := arrived.Load(); got < calls+10 || got > 2*calls {
		t.Errorf("%d calls were sent %d times, want at least %d times, and %d at most", calls, got, calls+10, 2*calls)
	}
	_, stats, err := get(http.MethodGet, p.adminURL("/stats?filter=cluster.probe.upstream_rq_retry_overflow"))
	if err != nil || strings.HasSuffix(stats, ": 0\n") {
		t.Errorf("no retry was over the budget (%v, %s)", err, stats)
	}
}

// TestRetriesAreOnAnotherPod balances at random, which may pick the pod that has
// just failed. One pod of three fails only calls that may be retried, so that it is
// not ejected.
func TestRetriesAreOnAnotherPod(t *testing.T) {
	t.Parallel()
	p := startPodsWith(t, func(_ *nameserver.Server, c *envoy.Config) { c.LeastRequest = true })
	p.backends[0].answer(func(stream grpc.ServerStream) error {
		if method, _ := grpc.MethodFromServerStream(stream); method == headers {
			return status.Error(codes.Unavailable, "as the test wants")
		}
		return stream.SendMsg(&emptypb.Empty{})
	})
	connection := p.dial(t)
	met := 0
	for range 60 {
		p.forget()
		if err := callHeaders(t.Context(), connection); err != nil {
			t.Error(err)
		}
		switch p.backends[0].calls.Load() {
		case 0:
		case 1:
			met++
		default:
			t.Error("a call was tried twice on the pod that fails it")
		}
		p.take(t, connection, 10)
	}
	if met < 5 {
		t.Errorf("%d of 60 calls met the pod that fails: this test proved little", met)
	}
}

// TestRefusedStreamsAreTriedElsewhere has one pod of four refuse streams, like a server
// that is about to stop. A refused call cannot have started, whatever its method.
func TestRefusedStreamsAreTriedElsewhere(t *testing.T) {
	t.Parallel()
	var refusing refuser
	p := startPodsWith(t, func(_ *nameserver.Server, config *envoy.Config) {
		refusing.serve(t, "127.0.0.5", config.Backends[0].Port)
	})
	p.dns.Set(podsName, append([]string{"127.0.0.5"}, p.hosts...)...)
	connection := p.dial(t)
	eventually(t, noticeLimit, func() error {
		if err := callCount(t.Context(), connection); err != nil {
			t.Fatal(err)
		}
		if refusing.calls.Load() < 2 {
			return errNotYet
		}
		return nil
	})
}

// refuser answers health checks, and all else with RST_STREAM and REFUSED_STREAM.
type refuser struct{ calls atomic.Int64 }

func (r *refuser) serve(t *testing.T, host string, port uint32) {
	t.Helper()
	listener, err := net.Listen("tcp4", fmt.Sprintf("%s:%d", host, port))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go func() {
				_ = r.speak(connection)
				_ = connection.Close()
			}()
		}
	}()
}

func (r *refuser) speak(connection net.Conn) error {
	framer := http2.NewFramer(connection, connection)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if _, err := io.ReadFull(connection, make([]byte, len(http2.ClientPreface))); err != nil {
		return err
	}
	if err := framer.WriteSettings(); err != nil {
		return err
	}
	for {
		frame, err := framer.ReadFrame()
		if err != nil {
			return err
		}
		switch frame := frame.(type) {
		case *http2.SettingsFrame:
			if !frame.IsAck() {
				err = framer.WriteSettingsAck()
			}
		case *http2.MetaHeadersFrame:
			if frame.PseudoValue("path") != healthpb.Health_Check_FullMethodName {
				r.calls.Add(1)
				err = framer.WriteRSTStream(frame.StreamID, http2.ErrCodeRefusedStream)
			}
		case *http2.DataFrame: // of a health check
			if frame.StreamEnded() {
				err = sayServing(framer, frame.StreamID)
			}
		}
		if err != nil {
			return err
		}
	}
}

func sayServing(framer *http2.Framer, stream uint32) error {
	block := func(fields ...string) []byte {
		var buffer bytes.Buffer
		encoder := hpack.NewEncoder(&buffer)
		for i := 0; i < len(fields); i += 2 {
			_ = encoder.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
		}
		return buffer.Bytes()
	}
	serving := []byte{0, 0, 0, 0, 2, 8, byte(healthpb.HealthCheckResponse_SERVING)} // not compressed, 2 bytes: field 1
	return errors.Join(
		framer.WriteHeaders(http2.HeadersFrameParam{
			StreamID: stream, EndHeaders: true, BlockFragment: block(":status", "200", "content-type", "application/grpc"),
		}),
		framer.WriteData(stream, false, serving),
		framer.WriteHeaders(http2.HeadersFrameParam{
			StreamID: stream, EndHeaders: true, EndStream: true, BlockFragment: block("grpc-status", "0"),
		}),
	)
}
