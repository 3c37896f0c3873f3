package chassis

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc"
	"go.opentelemetry.io/contrib/instrumentation/google.golang.org/grpc/otelgrpc/filters"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/propagation"
	"go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	"go.opentelemetry.io/otel/sdk/trace"
	"google.golang.org/grpc"
)

// telemetry exports spans and metrics. Its zero value exports nothing.
type telemetry struct {
	serverOptions []grpc.ServerOption
	shutdowns     []func(context.Context) error
}

// startTelemetry starts the exporters that the settings ask for, and makes
// them OpenTelemetry's global ones, so that a service's own spans and metrics
// go the same way.
func startTelemetry(ctx context.Context, s settings, log *slog.Logger) (*telemetry, error) {
	t := &telemetry{}
	if !s.traces && !s.metrics {
		return t, nil
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(func(err error) {
		log.Warn("exporting telemetry", "error", err.Error())
	}))
	otel.SetTextMapPropagator(propagation.NewCompositeTextMapPropagator(
		propagation.TraceContext{}, propagation.Baggage{}))
	process, err := resource.New(ctx,
		resource.WithAttributes(attribute.String("service.name", filepath.Base(os.Args[0]))),
		resource.WithHost(),
		resource.WithTelemetrySDK(),
		resource.WithFromEnv(), // OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES win
	)
	if err != nil {
		return nil, fmt.Errorf("reading OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	if s.traces {
		if err := t.startTraces(ctx, process); err != nil {
			return nil, err
		}
	}
	if s.metrics {
		if err := t.startMetrics(ctx, process); err != nil {
			return nil, err
		}
	}
	t.serverOptions = []grpc.ServerOption{grpc.StatsHandler(otelgrpc.NewServerHandler(
		otelgrpc.WithFilter(filters.Not(filters.HealthCheck())),
	))}
	return t, nil
}

func (t *telemetry) startTraces(ctx context.Context, process *resource.Resource) error {
	exporter, err := autoexport.NewSpanExporter(ctx)
	if err != nil {
		return fmt.Errorf("starting the trace exporter that OTEL_* asks for: %w", err)
	}
	provider := trace.NewTracerProvider(trace.WithBatcher(exporter), trace.WithResource(process))
	otel.SetTracerProvider(provider)
	t.shutdowns = append(t.shutdowns, provider.Shutdown)
	return nil
}

func (t *telemetry) startMetrics(ctx context.Context, process *resource.Resource) error {
	reader, err := autoexport.NewMetricReader(ctx)
	if err != nil {
		return fmt.Errorf("starting the metric exporter that OTEL_* asks for: %w", err)
	}
	provider := metric.NewMeterProvider(metric.WithReader(reader), metric.WithResource(process))
	otel.SetMeterProvider(provider)
	t.shutdowns = append(t.shutdowns, provider.Shutdown)
	return nil
}

// stop exports the remaining telemetry, for at most the given time. It only logs a
// failure, since the service itself did its work.
func (t *telemetry) stop(atMost time.Duration, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(context.Background(), atMost)
	defer cancel()
	var failed []error
	for _, shutdown := range t.shutdowns {
		failed = append(failed, shutdown(ctx))
	}
	if err := errors.Join(failed...); err != nil {
		log.Warn("exporting the last telemetry", "error", err.Error())
	}
}
