// Package chassis provides the gRPC server that every service of this repository
// runs in. All services start, report their health, fail and stop in the same way.
// A service brings its handlers; the chassis provides everything else.
//
// # Environment
//
// Invalid values are reported together, and the server does not start. An empty
// value counts as not set.
//
//	PORT                the TCP port to listen on, 1 to 65535; default 8080
//	LOG_LEVEL           debug, info, warn or error; default info
//	MAX_CALLS           unary calls under way at once, health checks not counted, three quarters
//	                    of them for one caller; further ones get RESOURCE_EXHAUSTED at once;
//	                    default 0, for no limit
//	TERMINATION_BUDGET  how long stopping may take, such as 25s (the default);
//	                    keep it below the pod's terminationGracePeriodSeconds
//	GOMEMLIMIT          Go's own; bounds large messages and slow requests, see below
//	OTEL_*              the standard OpenTelemetry variables, see below
//	NAME_TARGET         the address of the service "name", for [Dial]
//
// # Deadlines and errors
//
// The context of a handler ends at the deadline that the edge hands on in
// x-grpc-timeout. A stream ends then with DEADLINE_EXCEEDED, whatever its handler does.
// Details of an error above 32 KiB are dropped, and a message is cut at 4 KiB; the
// message says so.
//
// # Memory
//
// Messages above 64 KiB may take a third of GOMEMLIMIT: requests while their handlers run,
// except in streams of clients, and replies until the client has read them. A further one ends
// its call with RESOURCE_EXHAUSTED, so send a stream in smaller messages. Such replies are not
// compressed. Requests that take longer than a second to arrive may take half of GOMEMLIMIT, and
// 30 seconds, or longer if [WithMaxRequest] is above 4 MiB; a further one is cancelled, and
// logged. One caller gets at most half of either, and no more than it leaves for others. A
// stream that its handler does not read takes 64 KiB. These limits are approximate: a message may
// take more memory than its size, and a client may hold any number of streams.
//
// # Stopping
//
// When the context of [Run] ends (SIGTERM), three phases share
// TERMINATION_BUDGET:
//
//	40 %  every health name answers NOT_SERVING while calls are still taken,
//	      so that load balancers notice and send new calls elsewhere
//	50 %  GracefulStop: no new calls, calls under way finish;
//	      those that are not done in time are cut
//	10 %  the last spans and metrics are exported
//
// # Telemetry
//
// Spans and metrics are exported only if the environment asks for it, and cost
// nothing otherwise: OTEL_EXPORTER_OTLP_ENDPOINT turns both on, and
// OTEL_EXPORTER_OTLP_TRACES_ENDPOINT or OTEL_TRACES_EXPORTER (for metrics
// likewise) one of them; an exporter of "none" and OTEL_SDK_DISABLED=true turn
// them off. Context travels in W3C Trace Context and Baggage headers, whatever
// OTEL_PROPAGATORS says. Health checks are left out.
// Specification: OpenTelemetry, "Environment Variable Specification".
package chassis

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"os"

	// An image built from scratch has no root certificates, and exporting
	// telemetry over HTTPS needs them. The system's own still take precedence.
	_ "golang.org/x/crypto/x509roots/fallback"
	"google.golang.org/grpc"
)

// Register adds a service's handlers to the server, usually with one generated
// RegisterXServer call for each gRPC service.
type Register func(grpc.ServiceRegistrar)

// Run serves the registered services, as the environment and the options say,
// until ctx ends and the server has stopped. It logs JSON lines to standard output. The error
// names the variables that are wrong, or why the server cannot listen. Calls that
// had to be cut are logged; they are no error.
func Run(ctx context.Context, register Register, options ...Option) error {
	settings, err := readSettings(os.Getenv)
	if err != nil {
		return err
	}
	listener, err := new(net.ListenConfig).Listen(ctx, "tcp", fmt.Sprintf(":%d", settings.port))
	if err != nil {
		return fmt.Errorf("listening on PORT=%d, choose another if it is taken: %w", settings.port, err)
	}
	return serve(ctx, listener, settings, newLogger(os.Stdout, settings.logLevel), register, options...)
}

// serve does what Run does, with all external inputs as parameters. It closes the listener.
func serve(
	ctx context.Context, listener net.Listener, settings settings, log *slog.Logger, register Register, options ...Option,
) error {
	telemetry, err := startTelemetry(ctx, settings, log)
	if err != nil {
		listener.Close()
		return err
	}
	server, err := newServer(log, settings.maxCalls, telemetry.serverOptions, register, options...)
	if err != nil {
		listener.Close()
		return err
	}

	failed := make(chan error, 1)
	go func() { failed <- server.grpc.Serve(listener) }()
	log.Info("serving", "address", listener.Addr().String(), "services", server.services)

	select {
	case err := <-failed:
		return fmt.Errorf("serving on %s: %w", listener.Addr(), err)
	case <-ctx.Done():
	}
	server.stop(settings.termination, log)
	telemetry.stop(settings.termination.flush, log)
	return nil
}
