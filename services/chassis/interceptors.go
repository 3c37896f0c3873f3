package chassis

import (
	"context"
	"log/slog"
	"runtime/debug"
	"sync/atomic"

	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/logging"
	"github.com/grpc-ecosystem/go-grpc-middleware/v2/interceptors/recovery"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
)

// interceptors wrap every call, the first outermost: the log has to see the
// status that a panic was turned into.
func interceptors(log *slog.Logger, hostname string, maxCalls int) []grpc.ServerOption {
	logger, logged := callLogger(log), []logging.Option{
		logging.WithLogOnEvents(logging.FinishCall),
		logging.WithCodes(callCode),
		logging.WithLevels(callLevel),
		logging.WithFieldsFromContext(traceFields),
	}
	recovered := recovery.WithRecoveryHandlerContext(func(ctx context.Context, cause any) error {
		// The client gets no detail: a panic's text may hold anything.
		log.ErrorContext(ctx, "handler panicked", "panic", cause, "stack", string(debug.Stack()))
		return status.Error(codes.Internal, "internal error")
	})
	return []grpc.ServerOption{
		grpc.ChainUnaryInterceptor(
			logging.UnaryServerInterceptor(logger, logged...),
			smallErrorUnary,
			hostnameUnary(hostname),
			deadlineUnary,
			limitCalls(maxCalls),
			recovery.UnaryServerInterceptor(recovered),
		),
		grpc.ChainStreamInterceptor(
			logging.StreamServerInterceptor(logger, logged...),
			smallErrorStream,
			hostnameStream(hostname),
			breakREST,
			deadlineStream(),
			recovery.StreamServerInterceptor(recovered),
		),
	}
}

// hostnameUnary adds the response header hostname, the pod's name, which shows a caller
// how calls spread over the pods. The header's name comes from the sample.
//
// A failed call has it in its trailers. With a header, the status would come after the
// headers, and Envoy retries a call only if the answer is nothing but a status
// (Trailers-Only; gRPC over HTTP2, "Responses"). DEADLINE_EXCEEDED must come after the
// headers: alone, Envoy would count it against the pod, although the caller sets the
// deadline.
//
// A call does not fail if the header can't be set because the handler has sent headers
// or the caller has gone.
func hostnameUnary(hostname string) grpc.UnaryServerInterceptor {
	name := metadata.Pairs("hostname", hostname)
	return func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		reply, err := handler(ctx, request)
		switch {
		case err == nil:
			_ = grpc.SetHeader(ctx, name)
		case callCode(err) == codes.DeadlineExceeded:
			_ = grpc.SendHeader(ctx, name)
		default:
			_ = grpc.SetTrailer(ctx, name)
		}
		return reply, err
	}
}

// hostnameStream is hostnameUnary for streams: the header goes before the first
// message.
func hostnameStream(hostname string) grpc.StreamServerInterceptor {
	name := metadata.Pairs("hostname", hostname)
	return func(service any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		named := &namedStream{ServerStream: stream, name: name}
		err := handler(service, named)
		switch {
		case callCode(err) == codes.DeadlineExceeded:
			_ = named.SendHeader(nil)
		case err != nil && !named.done.Load():
			stream.SetTrailer(name)
		default:
			named.setName()
		}
		return err
	}
}

// namedStream sets its header as late as it can.
type namedStream struct {
	grpc.ServerStream
	name metadata.MD
	done atomic.Bool
}

func (s *namedStream) setName() {
	if s.done.CompareAndSwap(false, true) {
		_ = s.SetHeader(s.name)
	}
}

// SendHeader implements grpc.ServerStream.
func (s *namedStream) SendHeader(header metadata.MD) error {
	s.setName()
	return s.ServerStream.SendHeader(header)
}

// SendMsg implements grpc.ServerStream.
func (s *namedStream) SendMsg(message any) error {
	s.setName()
	return s.ServerStream.SendMsg(message)
}

// callLogger writes the log lines of calls with log.
func callLogger(log *slog.Logger) logging.Logger {
	return logging.LoggerFunc(func(ctx context.Context, level logging.Level, message string, fields ...any) {
		log.Log(ctx, slog.Level(level), message, fields...)
	})
}

// callCode returns the code that the caller gets. grpc-go turns a context's error into
// CANCELLED or DEADLINE_EXCEEDED, and any other error without a status into UNKNOWN.
func callCode(err error) codes.Code {
	if s, ok := status.FromError(err); ok {
		return s.Code()
	}
	return status.FromContextError(err).Code()
}

// callLevel returns the log level of a call. Envoy's access log has every call already,
// so only failures of the service itself stand out.
func callLevel(code codes.Code) logging.Level {
	switch code {
	case codes.Unknown, codes.Internal, codes.DataLoss:
		return logging.LevelError
	default:
		return logging.LevelDebug
	}
}

// traceFields lead from a log line to its trace.
func traceFields(ctx context.Context) logging.Fields {
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		return nil
	}
	return logging.Fields{"trace_id", span.TraceID().String(), "span_id", span.SpanID().String()}
}
