package chassis

import (
	"context"
	"net/netip"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/tap"
)

// arrivals limits the requests that arrive slowly.
//
// grpc-go keeps what has arrived of a message, up to maxMessageBytes, and calls interceptors and
// handlers once it is complete. So neither limitCalls nor a deadline applies before that, and a
// few clients that never send the last byte could fill the memory of a pod. A request that is
// cancelled here gets CANCELLED, which does not count against the pod.
//
// Streams of clients are not covered: their handlers run from the start.
type arrivals struct {
	// promptly is the time in which most requests arrive. Slower ones count, and have longest.
	promptly, longest time.Duration
	// most bounds the slow requests of all callers, and each those of one.
	most, each int

	mutex    sync.Mutex
	slow     int
	byCaller map[string]int
}

// newArrivals returns the limits of a pod with the default memory limit of 128 MiB. On a line of
// 2 Mbit/s, 4 MiB take 17 seconds.
func newArrivals() *arrivals {
	return &arrivals{promptly: time.Second, longest: 30 * time.Second, most: 16, each: 4, byCaller: map[string]int{}}
}

// options returns the options of a server with these limits. They come before the interceptors of
// others.
func (a *arrivals) options() []grpc.ServerOption {
	return []grpc.ServerOption{grpc.InTapHandle(a.begin), grpc.ChainUnaryInterceptor(arrivedUnary), grpc.ChainStreamInterceptor(arrivedStream)}
}

// arrival is a request that has begun to arrive.
type arrival struct {
	all    *arrivals
	caller string
	cancel context.CancelFunc
	prompt *time.Timer // counts the request as slow

	// The mutex of all guards these.
	complete, counted bool
	late              *time.Timer // cancels a slow request
}

type arrivalKey struct{}

// begin is called when the headers of a call have arrived.
func (a *arrivals) begin(ctx context.Context, info *tap.Info) (context.Context, error) {
	ctx, cancel := context.WithCancel(ctx) // the stream's context ends it
	r := &arrival{all: a, caller: caller(info.Header), cancel: cancel}
	r.prompt = time.AfterFunc(a.promptly, func() { r.count(ctx) })
	return context.WithValue(ctx, arrivalKey{}, r), nil
}

// count counts a slow request until it is complete or its call has ended. It cancels the call if
// there are too many.
func (r *arrival) count(ctx context.Context) {
	a := r.all
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if r.complete || ctx.Err() != nil {
		return
	}
	if a.slow >= a.most || r.caller != "" && a.byCaller[r.caller] >= a.each {
		r.cancel()
		return
	}
	a.slow++
	a.byCaller[r.caller]++
	r.counted = true
	r.late = time.AfterFunc(a.longest-a.promptly, r.cancel)
	context.AfterFunc(ctx, r.end)
}

// end is called when the request is complete, or its call has ended.
func (r *arrival) end() {
	a := r.all
	r.prompt.Stop()
	a.mutex.Lock()
	defer a.mutex.Unlock()
	r.complete = true
	if !r.counted {
		return
	}
	r.counted = false
	r.late.Stop()
	a.slow--
	if a.byCaller[r.caller]--; a.byCaller[r.caller] == 0 {
		delete(a.byCaller, r.caller)
	}
}

// arrived notes that the request of a call is complete.
func arrived(ctx context.Context) {
	if r, ok := ctx.Value(arrivalKey{}).(*arrival); ok {
		r.end()
	}
}

func arrivedUnary(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	arrived(ctx)
	return handler(ctx, request)
}

func arrivedStream(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
	if info.IsClientStream {
		arrived(stream.Context())
		return handler(service, stream)
	}
	return handler(service, arrivingStream{stream})
}

// arrivingStream is a stream whose client sends one message.
type arrivingStream struct{ grpc.ServerStream }

// RecvMsg implements grpc.ServerStream.
func (s arrivingStream) RecvMsg(message any) error {
	err := s.ServerStream.RecvMsg(message)
	if err == nil {
		arrived(s.Context())
	}
	return err
}

// Caller returns the address from which the edge got a call, or the network of an IPv6 address: a
// site gets at least a /64 (RFC 6177). It is empty for calls that do not come through the edge,
// which drops this header from what clients send.
func Caller(ctx context.Context) string {
	headers, _ := metadata.FromIncomingContext(ctx)
	return caller(headers)
}

func caller(headers metadata.MD) string {
	values := headers.Get("x-forwarded-for")
	if len(values) == 0 {
		return ""
	}
	address, err := netip.ParseAddr(values[0])
	if err != nil {
		return values[0]
	}
	if address = address.Unmap(); address.Is6() {
		network, _ := address.Prefix(64) // of an IPv6 address
		return network.String()
	}
	return address.String()
}
