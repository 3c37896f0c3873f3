package chassis

import (
	"context"
	"log/slog"
	"runtime/debug"

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
func interceptors(log *slog.Logger, hostname string) []grpc.ServerOption {
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
			hostnameUnary(hostname),
			recovery.UnaryServerInterceptor(recovered),
		),
		grpc.ChainStreamInterceptor(
			logging.StreamServerInterceptor(logger, logged...),
			hostnameStream(hostname),
			recovery.StreamServerInterceptor(recovered),
		),
	}
}

// hostnameUnary adds the response header hostname, the pod's name, by which a
// caller sees how calls spread over the pods. The name is the sample's.
func hostnameUnary(hostname string) grpc.UnaryServerInterceptor {
	header := metadata.Pairs("hostname", hostname)
	return func(ctx context.Context, request any, _ *grpc.UnaryServerInfo, handler grpc.UnaryHandler) (any, error) {
		if err := grpc.SetHeader(ctx, header); err != nil {
			return nil, ended(ctx, err)
		}
		return handler(ctx, request)
	}
}

// hostnameStream is hostnameUnary for streams.
func hostnameStream(hostname string) grpc.StreamServerInterceptor {
	header := metadata.Pairs("hostname", hostname)
	return func(service any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, handler grpc.StreamHandler) error {
		if err := stream.SetHeader(header); err != nil {
			return ended(stream.Context(), err)
		}
		return handler(service, stream)
	}
}

// ended is why the header of a call can't be set. When the caller has gone
// before the handler began, grpc-go calls that INTERNAL (internal/transport,
// ErrIllegalHeaderWrite), which would blame the service.
func ended(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return status.FromContextError(ctx.Err()).Err()
	}
	return err
}

// callLogger writes the log lines of calls with log.
func callLogger(log *slog.Logger) logging.Logger {
	return logging.LoggerFunc(func(ctx context.Context, level logging.Level, message string, fields ...any) {
		log.Log(ctx, slog.Level(level), message, fields...)
	})
}

// callCode is the code that the caller gets: grpc-go makes CANCELLED or
// DEADLINE_EXCEEDED of a context's error, and UNKNOWN of any other.
func callCode(err error) codes.Code {
	if s, ok := status.FromError(err); ok {
		return s.Code()
	}
	return status.FromContextError(err).Code()
}

// callLevel keeps the log quiet: Envoy's access log has every call already,
// so only those count that the service itself is to blame for.
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
