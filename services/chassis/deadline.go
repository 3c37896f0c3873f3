package chassis

import (
	"context"
	"strconv"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// deadlineHeader holds the time that the edge gives a call, in the format of grpc-timeout
// (gRPC over HTTP2, "Requests"). The edge does not send grpc-timeout itself: grpc-go
// would reset the stream at the deadline, and the edge would take the pod for broken.
const deadlineHeader = "x-grpc-timeout"

// A stream ends a little before the edge would end it: earlier by a twentieth of its time, but by
// minEarly to maxEarly, and by no more than half of it. Once headers are sent the edge can only
// reset the stream, which callers without their own timer read as INTERNAL. The pod can still
// send the status DEADLINE_EXCEEDED.
const (
	earlyShare = 20
	minEarly   = 10 * time.Millisecond
	maxEarly   = 100 * time.Millisecond
)

// early returns by how much earlier a stream ends.
func early(timeout time.Duration) time.Duration {
	return min(max(timeout/earlyShare, minEarly), maxEarly, timeout/2)
}

// maxAbandoned bounds the handlers that ignore the end of their context and outlive their call, which
// no other limit counts any more. A further call waits for its handler.
const maxAbandoned = 100

// errDeadline is the error of a stream whose deadline has passed.
var errDeadline = status.Error(codes.DeadlineExceeded, "the deadline of the call is over")

// deadlineUnary gives the handler the caller's deadline. The edge ends the call by
// itself, so the deadline is not shortened.
func deadlineUnary(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
	timeout, ok := timeoutOf(ctx)
	if !ok {
		return handler(ctx, request)
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	return handler(ctx, request)
}

// deadlineStream ends a stream at its deadline, even if the handler ignores its context.
// A handler that waits for a message of the caller can't watch its context. It gets an
// error from the stream once the status is sent.
func deadlineStream() grpc.StreamServerInterceptor {
	abandoned := make(chan struct{}, maxAbandoned)
	return func(service any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		return endStream(service, stream, handler, abandoned)
	}
}

func endStream(service any, stream grpc.ServerStream, handler grpc.StreamHandler, abandoned chan struct{}) error {
	timeout, ok := timeoutOf(stream.Context())
	if !ok {
		return handler(service, stream)
	}
	if !fromREST(stream.Context()) { // which the edge is to reset, see breakREST
		timeout -= early(timeout)
	}
	ctx, cancel := context.WithTimeout(stream.Context(), timeout)
	defer cancel()
	var err error
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		err = handler(service, boundedStream{stream, ctx})
	}()
	select {
	case <-ended:
		return err
	case <-ctx.Done():
	}
	if stream.Context().Err() == nil { // else the caller has gone
		select {
		case abandoned <- struct{}{}:
			go func() {
				<-ended
				<-abandoned
			}()
			return errDeadline
		default:
		}
	}
	<-ended
	return err
}

// boundedStream is a stream with a deadline in its context.
type boundedStream struct {
	grpc.ServerStream
	ctx context.Context
}

// Context returns the context that ends at the deadline, or earlier with the stream.
func (s boundedStream) Context() context.Context { return s.ctx }

// timeoutOf reads the deadline that the edge wrote. It ignores a value in another format,
// as the edge does.
func timeoutOf(ctx context.Context) (time.Duration, bool) {
	values := metadata.ValueFromIncomingContext(ctx, deadlineHeader)
	if len(values) != 1 {
		return 0, false
	}
	return parseTimeout(values[0])
}

// timeoutUnits lists the units of grpc-timeout.
var timeoutUnits = map[byte]time.Duration{
	'H': time.Hour, 'M': time.Minute, 'S': time.Second, 'm': time.Millisecond, 'u': time.Microsecond, 'n': time.Nanosecond,
}

// parseTimeout reads up to eight digits and a unit.
func parseTimeout(text string) (time.Duration, bool) {
	if len(text) < 2 || len(text) > 9 {
		return 0, false
	}
	last := len(text) - 1
	unit, known := timeoutUnits[text[last]]
	number, err := strconv.ParseUint(text[:last], 10, 32)
	if err != nil || !known {
		return 0, false
	}
	if unit == time.Hour && number > maxTimeoutHours {
		number = maxTimeoutHours
	}
	return time.Duration(number) * unit, true
}

// maxTimeoutHours is about a hundred years; a [time.Duration] holds no more than 292.
const maxTimeoutHours = 100 * 365 * 24
