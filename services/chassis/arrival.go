package chassis

import (
	"context"
	"log/slog"
	"runtime"
	"runtime/metrics"
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
	// look is when a request is first checked, promptly when it counts as slow, and longest when it is
	// cancelled.
	look, promptly, longest time.Duration
	slow                    Shares // of slow requests
	// short reports whether memory is short.
	short func() bool

	mutex    sync.Mutex
	arriving map[string]arriving // by caller
	blamed   string              // whose requests were cancelled last, and when
	when     time.Time
}

// arriving holds the requests of a caller that are incomplete at the first look. Their age is the time
// for which all of them have been arriving.
type arriving struct {
	requests int
	begun    time.Duration // the sum of the times at which they began, since origin
}

var origin = time.Now()

func (a arriving) age(now time.Duration) time.Duration {
	return time.Duration(a.requests)*now - a.begun
}

const (
	// few is the number of requests that may arrive from one caller while memory is short.
	few = 4
	// freeing is the time in which the memory of cancelled requests is freed.
	freeing = 200 * time.Millisecond
)

// arrivalShare is the part of the memory limit that slow requests may take: a half.
const arrivalShare = 2

// newArrivals returns the limits of a program that may use this much memory and takes requests of up
// to this size, both in bytes. On a line of 2 Mbit/s, 4 MiB take 17 seconds.
func newArrivals(log *slog.Logger, memory int64, largest int) *arrivals {
	longest := 30 * time.Second * time.Duration(max(1, largest/maxMessageBytes))
	most := min(max(memory/arrivalShare/int64(largest), 4), 1000)
	return &arrivals{
		log: log, look: 100 * time.Millisecond, promptly: time.Second, longest: longest,
		slow:  Shares{What: "slow requests", Most: int(most)},
		short: (&heapLimit{bytes: uint64(memory) / 100 * shortAt}).exceeded,
	}
}

// tooMany reports whether memory is short, and most of what arrives is this caller's: it has more than a
// few requests, and their age is at least half of the greatest of a caller. A pause of the pod leaves
// a few of anybody, but they are young.
func (a *arrivals) tooMany(caller string) bool { return a.oldest(caller) && a.short() }

func (a *arrivals) oldest(caller string) bool {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	own, now := a.arriving[caller], time.Since(origin)
	if own.requests <= few {
		return false
	}
	for _, other := range a.arriving {
		if 2*own.age(now) < other.age(now) {
			return false
		}
	}
	return true
}

// blame takes away a request that is to be cancelled. It reports false if only a few are left, and while
// the memory of another caller's is being freed.
func (a *arrivals) blame(caller string, begun time.Time) bool {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	if a.arriving[caller].requests <= few || a.blamed != caller && time.Since(a.when) < freeing {
		return false
	}
	a.blamed, a.when = caller, time.Now()
	a.add(caller, begun, -1)
	return true
}

// count adds a request that began at this time, or takes it away.
func (a *arrivals) count(caller string, begun time.Time, n int) {
	a.mutex.Lock()
	defer a.mutex.Unlock()
	a.add(caller, begun, n)
}

// add is count for callers that hold the mutex.
func (a *arrivals) add(caller string, begun time.Time, n int) {
	if a.arriving == nil {
		a.arriving = map[string]arriving{}
	}
	own := a.arriving[caller]
	own.requests += n
	own.begun += time.Duration(n) * begun.Sub(origin)
	if a.arriving[caller] = own; own.requests == 0 {
		delete(a.arriving, caller)
	}
}

// heapLimit is the size of the heap from which on memory is short.
type heapLimit struct {
	bytes uint64

	mutex sync.Mutex
	next  time.Time // of the next collection
}

const (
	// shortAt is the percentage of the memory limit from which on memory is short.
	shortAt = 60
	// idle is how many times longer than a collection for heapLimit the pause after it is.
	idle = 10
)

// exceeded reports whether the live heap is above bytes. It collects garbage first, unless it has just
// done so.
func (l *heapLimit) exceeded() bool {
	if heap() <= l.bytes {
		return false
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if begun := time.Now(); begun.After(l.next) {
		runtime.GC()
		l.next = time.Now().Add(idle * time.Since(begun))
	}
	return heap() > l.bytes
}

// heap returns the bytes in the heap, whether they are in use or not collected yet.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
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

	mutex                       sync.Mutex
	complete, arriving, counted bool
	next, last                  *time.Timer // look at the request, and cancel it
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
	tooMany := r.all.tooMany(r.caller) // before the lock, since it may collect garbage
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.complete || ctx.Err() != nil {
		return
	}
	if tooMany && r.all.blame(r.caller, r.begun) {
		r.arriving = false
		r.giveUp("memory is short, and more requests of the caller arrive")
		return
	}
	if time.Since(r.begun) < r.all.promptly {
		r.next.Reset(r.all.look)
		return
	}
	if err := r.all.slow.Acquire(r.caller, 1); err != nil {
		r.giveUp(status.Convert(err).Message())
		return
	}
	r.counted = true
	r.last = time.AfterFunc(r.all.longest-r.all.promptly, r.expire)
}

// count counts a request that is not complete as arriving.
func (r *arrival) count(ctx context.Context) {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if !r.complete && !r.arriving && ctx.Err() == nil {
		r.arriving = true
		r.all.count(r.caller, r.begun, 1)
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
		r.all.count(r.caller, r.begun, -1)
	}
	if r.counted {
		r.counted = false
		r.last.Stop()
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
