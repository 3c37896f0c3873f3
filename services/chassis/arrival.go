package chassis

import (
	"context"
	"log/slog"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/status"
	"google.golang.org/grpc/tap"
)

// arrivals limits the requests that arrive slowly, or many at once while memory is short.
//
// grpc-go keeps what has arrived of a message, up to maxMessageBytes, and calls interceptors and
// handlers once it is complete. So neither limitCalls nor a deadline applies before that, and a
// few clients that never send the last byte could fill the memory of a pod. A request that is
// cancelled here gets CANCELLED, which does not count against the pod.
//
// Streams of clients are not covered: their handlers run from the start.
type arrivals struct {
	log *slog.Logger
	// look is when a request is first checked, and longest when it is cancelled. When it counts as slow is
	// promptly of callers.
	look, longest time.Duration
	slow          Shares // of slow requests
	// memory reports how short memory is.
	memory  func() memory
	callers callers
}

// arrivalShare is the part of the memory limit that slow requests may take: a half.
const arrivalShare = 2

// newArrivals returns the limits of a program that may use this much memory and takes requests of up
// to this size, both in bytes. On a line of 2 Mbit/s, 4 MiB take 17 seconds.
func newArrivals(log *slog.Logger, limit int64, largest int) *arrivals {
	longest := 30 * time.Second * time.Duration(max(1, largest/maxMessageBytes))
	most := min(max(limit/arrivalShare/int64(largest), 4), 1000)
	return &arrivals{
		log: log, look: 100 * time.Millisecond, longest: longest,
		slow:    Shares{What: "slow requests", Most: int(most)},
		memory:  newHeapLimits(limit).read,
		callers: callers{promptly: time.Second},
	}
}

// options returns the options of a server with these limits. They come before the interceptors of
// others.
func (a *arrivals) options() []grpc.ServerOption {
	return []grpc.ServerOption{grpc.InTapHandle(a.begin), grpc.ChainUnaryInterceptor(arrivedUnary), grpc.ChainStreamInterceptor(arrivedStream)}
}

// arrival is a request that has begun to arrive.
type arrival struct {
	all            *arrivals
	caller, method string
	begun          time.Time
	cancel         context.CancelFunc

	mutex                    sync.Mutex
	complete, arriving, slow bool
	next, last               *time.Timer // look at the request, and cancel it
}

type arrivalKey struct{}

// begin is called when the headers of a call have arrived.
func (a *arrivals) begin(ctx context.Context, info *tap.Info) (context.Context, error) {
	ctx, cancel := context.WithCancel(ctx) // the stream's context ends it
	r := &arrival{all: a, caller: caller(ctx, info.Header.Get(forwardedFor)), method: info.FullMethodName, begun: time.Now(), cancel: cancel}
	r.mutex.Lock() // look waits for it
	r.next = time.AfterFunc(a.look, func() { r.look(ctx) })
	r.mutex.Unlock()
	return context.WithValue(ctx, arrivalKey{}, r), nil
}

// look counts a request until it is complete or its call has ended, and cancels the call if there are
// too many. It runs again every look until the request is slow.
func (r *arrival) look(ctx context.Context) {
	r.count(ctx)
	memory := r.all.memory() // before the lock, since it may collect garbage
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.complete || ctx.Err() != nil {
		return
	}
	if r.all.callers.blame(r.caller, r.begun, memory) {
		r.arriving = false
		r.giveUp("memory is short, and more requests of the caller arrive")
		return
	}
	if time.Since(r.begun) < r.all.callers.promptly {
		r.next.Reset(r.all.look)
		return
	}
	if err := r.all.slow.Acquire(r.caller, 1); err != nil {
		r.giveUp(status.Convert(err).Message())
		return
	}
	r.slow, r.arriving = true, false
	r.all.callers.count(r.caller, r.begun, -1)
	r.all.callers.countSlow(r.caller, 1)
	r.last = time.AfterFunc(r.all.longest-r.all.callers.promptly, r.expire)
}

// count counts a request that is not complete as arriving.
func (r *arrival) count(ctx context.Context) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if !r.complete && !r.arriving && !r.slow && ctx.Err() == nil {
		r.arriving = true
		r.all.callers.count(r.caller, r.begun, 1)
		context.AfterFunc(ctx, r.end)
	}
}

// expire cancels the call of a request that is not complete in time.
func (r *arrival) expire() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if !r.complete {
		r.giveUp("it takes longer than " + r.all.longest.String())
	}
}

// giveUp cancels the call. No interceptor sees it, so that this is its only line in the log.
func (r *arrival) giveUp(reason string) {
	r.all.log.Warn("a request that arrives slowly is cancelled", "grpc.full_method", r.method, "caller", r.caller, "reason", reason)
	r.cancel()
}

// end is called when the request is complete, or its call has ended.
func (r *arrival) end() {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	r.next.Stop()
	r.complete = true
	if r.arriving {
		r.arriving = false
		r.all.callers.count(r.caller, r.begun, -1)
	}
	if r.slow {
		r.slow = false
		r.last.Stop()
		r.all.callers.countSlow(r.caller, -1)
		r.all.slow.Release(r.caller, 1)
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
