package chassis

import (
	"context"
	"log/slog"
	"math"
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
	// Nearly all requests arrive until the first look, and most promptly. Slower ones count as slow,
	// and have longest.
	look, promptly, longest time.Duration
	// arriving and slow count the requests that have not arrived by the first look, and promptly.
	arriving, slow Shares
	// short reports whether memory is short.
	short func() bool
}

// heldUp is how much later than planned a look may come.
const heldUp = 50 * time.Millisecond

// few is the number of requests that may arrive from one caller while memory is short.
const few = 4

// arrivalShare is the part of the memory limit that slow requests may take: a half.
const arrivalShare = 2

// newArrivals returns the limits of a program that may use this much memory and takes requests of up
// to this size, both in bytes. On a line of 2 Mbit/s, 4 MiB take 17 seconds.
func newArrivals(log *slog.Logger, memory int64, largest int) *arrivals {
	longest := 30 * time.Second * time.Duration(max(1, largest/maxMessageBytes))
	most := min(max(memory/arrivalShare/int64(largest), 4), 1000)
	return &arrivals{
		log: log, look: 100 * time.Millisecond, promptly: time.Second, longest: longest,
		arriving: Shares{Most: math.MaxInt}, slow: Shares{What: "slow requests", Most: int(most)},
		short: (&heapLimit{bytes: uint64(memory) / 100 * shortAt}).exceeded,
	}
}

// tooMany reports whether memory is short, and this caller has more than a few requests arriving, and
// at least half as many as any other. After a pause of the whole program, anybody has a few.
func (a *arrivals) tooMany(caller string) bool {
	own := a.arriving.Of(caller)
	return own > few && 2*own >= a.arriving.Greatest() && a.short()
}

// heapLimit is the size of the heap from which on memory is short.
type heapLimit struct {
	bytes uint64

	mutex     sync.Mutex
	collected time.Time
}

const (
	// shortAt is the percentage of the memory limit from which on memory is short.
	shortAt = 60
	// collectEvery is the least time between two collections for heapLimit.
	collectEvery = 500 * time.Millisecond
)

// exceeded reports whether more is in use. Garbage does not count: it collects it if it has not just
// done so.
func (l *heapLimit) exceeded() bool {
	if heap() <= l.bytes {
		return false
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	if time.Since(l.collected) > collectEvery {
		runtime.GC()
		l.collected = time.Now()
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
	due                         time.Time   // of the next look
	next, last                  *time.Timer // look at the request, and cancel it
}

type arrivalKey struct{}

// begin is called when the headers of a call have arrived.
func (a *arrivals) begin(ctx context.Context, info *tap.Info) (context.Context, error) {
	ctx, cancel := context.WithCancel(ctx) // the stream's context ends it
	now := time.Now()
	r := &arrival{all: a, caller: caller(ctx, info.Header.Get(forwardedFor)), method: info.FullMethodName, begun: now, due: now.Add(a.look), cancel: cancel}
	r.mutex.Lock() // look waits for it
	r.next = time.AfterFunc(a.look, func() { r.look(ctx) })
	r.mutex.Unlock()
	return context.WithValue(ctx, arrivalKey{}, r), nil
}

// look counts a request until it is complete or its call has ended, and cancels the call if there are
// too many. It comes again until the request is slow.
func (r *arrival) look(ctx context.Context) {
	if !r.late(ctx) {
		return
	}
	tooMany := r.all.tooMany(r.caller) // before the lock, since it may collect garbage
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.complete || ctx.Err() != nil {
		return
	}
	if tooMany {
		r.giveUp("memory is short, and more requests of the caller arrive")
		return
	}
	if time.Since(r.begun) < r.all.promptly {
		r.again()
		return
	}
	if err := r.all.slow.Take(r.caller, 1); err != nil {
		r.giveUp(status.Convert(err).Message())
		return
	}
	r.counted = true
	r.last = time.AfterFunc(r.all.longest-r.all.promptly, r.expire)
}

// late reports whether a request is not complete that could be, and counts it as arriving. If the look
// itself comes late, the program was held up, and with it requests of anybody: it comes again.
func (r *arrival) late(ctx context.Context) bool {
	r.mutex.Lock()
	defer r.mutex.Unlock()
	if r.complete || ctx.Err() != nil {
		return false
	}
	if !r.arriving {
		r.arriving = r.all.arriving.Take(r.caller, 1) == nil
		context.AfterFunc(ctx, r.end)
	}
	if time.Since(r.due) > heldUp {
		r.again()
		return false
	}
	return true
}

// again has look come again. The caller holds the mutex.
func (r *arrival) again() {
	r.due = time.Now().Add(r.all.look)
	r.next.Reset(r.all.look)
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
		r.all.arriving.Give(r.caller, 1)
	}
	if r.counted {
		r.counted = false
		r.last.Stop()
		r.all.slow.Give(r.caller, 1)
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
