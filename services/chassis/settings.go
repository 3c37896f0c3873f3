package chassis

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The defaults of the variables that the package comment lists.
const (
	defaultPort     = "8080" // the sample's
	defaultLogLevel = "info"
	// defaultTerminationBudget is less than terminationGracePeriodSeconds, 30 by
	// default, after which Kubernetes kills a pod ("Pod Lifecycle", Termination of
	// Pods). The rest is for the runtime to start and reap the process.
	defaultTerminationBudget = "25s"
)

// settings holds the environment, read and checked.
type settings struct {
	port            uint16
	logLevel        slog.Level
	maxCalls        int // unary calls at once; 0 for no limit
	termination     termination
	traces, metrics bool // whether to export them
}

// readSettings reads the variables that the package comment lists. The error
// names every wrong one, its value, and what it may be.
func readSettings(getenv func(string) string) (settings, error) {
	port, portErr := readPort(getenv)
	level, levelErr := readLogLevel(getenv)
	maxCalls, maxCallsErr := readMaxCalls(getenv)
	budget, budgetErr := readTerminationBudget(getenv)
	if err := errors.Join(portErr, levelErr, maxCallsErr, budgetErr, checkTelemetry(getenv)); err != nil {
		return settings{}, fmt.Errorf("reading the environment:\n%w", err)
	}
	return settings{
		port:        port,
		logLevel:    level,
		maxCalls:    maxCalls,
		termination: splitBudget(budget),
		traces:      exports(getenv, "TRACES"),
		metrics:     exports(getenv, "METRICS"),
	}, nil
}

func readPort(getenv func(string) string) (uint16, error) {
	value := cmp.Or(getenv("PORT"), defaultPort)
	port, err := strconv.ParseUint(value, 10, 16)
	if err != nil || port == 0 {
		return 0, fmt.Errorf("PORT=%q must be a TCP port, 1 to 65535 (default %s)", value, defaultPort)
	}
	return uint16(port), nil
}

// logLevels lists the accepted LOG_LEVELs. slog's own parser also accepts forms
// such as "INFO+2", which nobody means.
var logLevels = map[string]slog.Level{
	"debug": slog.LevelDebug, "info": slog.LevelInfo, "warn": slog.LevelWarn, "error": slog.LevelError,
}

func readLogLevel(getenv func(string) string) (slog.Level, error) {
	value := cmp.Or(getenv("LOG_LEVEL"), defaultLogLevel)
	level, ok := logLevels[strings.ToLower(value)]
	if !ok {
		return 0, fmt.Errorf("LOG_LEVEL=%q must be debug, info, warn or error (default %s)", value, defaultLogLevel)
	}
	return level, nil
}

// maxMaxCalls bounds MAX_CALLS: each call under way has a goroutine and its messages.
const maxMaxCalls = 100_000

func readMaxCalls(getenv func(string) string) (int, error) {
	value := cmp.Or(getenv("MAX_CALLS"), "0")
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 || n > maxMaxCalls {
		return 0, fmt.Errorf("MAX_CALLS=%q must be a whole number from 1 to %d, or 0 for no limit (default)", value, maxMaxCalls)
	}
	return n, nil
}

func readTerminationBudget(getenv func(string) string) (time.Duration, error) {
	value := cmp.Or(getenv("TERMINATION_BUDGET"), defaultTerminationBudget)
	budget, err := time.ParseDuration(value)
	if err != nil || budget <= 0 {
		return 0, fmt.Errorf("TERMINATION_BUDGET=%q must be a duration above zero, such as 25s (default %s), "+
			"and below the pod's terminationGracePeriodSeconds", value, defaultTerminationBudget)
	}
	return budget, nil
}

// otelChoices lists the OpenTelemetry variables with a fixed set of values. The SDK
// would export nothing with a wrong value, and at most log it.
var otelChoices = []struct {
	name   string
	values []string
}{
	{"OTEL_SDK_DISABLED", []string{"true", "false"}},
	{"OTEL_TRACES_EXPORTER", []string{"otlp", "console", "none"}},
	{"OTEL_METRICS_EXPORTER", []string{"otlp", "prometheus", "console", "none"}},
	{"OTEL_EXPORTER_OTLP_PROTOCOL", []string{"grpc", "http/protobuf"}},
	{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", []string{"grpc", "http/protobuf"}},
	{"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", []string{"grpc", "http/protobuf"}},
	{"OTEL_TRACES_SAMPLER", []string{"always_on", "always_off", "traceidratio",
		"parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"}},
}

// otelEndpoints lists the OpenTelemetry variables that hold a URL.
var otelEndpoints = []string{
	"OTEL_EXPORTER_OTLP_ENDPOINT",
	"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
	"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT",
}

func checkTelemetry(getenv func(string) string) error {
	var wrong []error
	for _, choice := range otelChoices {
		if value := getenv(choice.name); value != "" && !slices.Contains(choice.values, value) {
			wrong = append(wrong, fmt.Errorf("%s=%q must be one of %s",
				choice.name, value, strings.Join(choice.values, ", ")))
		}
	}
	for _, name := range otelEndpoints {
		value := getenv(name)
		if value == "" {
			continue
		}
		// Without a scheme, "collector:4317" parses as a URL of scheme "collector".
		parsed, err := url.Parse(value)
		if err != nil || parsed.Host == "" || (parsed.Scheme != "http" && parsed.Scheme != "https") {
			wrong = append(wrong, fmt.Errorf("%s=%q must be a URL such as http://collector:4317", name, value))
		}
	}
	return errors.Join(wrong...)
}

// exports reports whether the environment asks for a signal, "TRACES" or
// "METRICS", to be exported.
func exports(getenv func(string) string, signal string) bool {
	if getenv("OTEL_SDK_DISABLED") == "true" {
		return false
	}
	if exporter := getenv("OTEL_" + signal + "_EXPORTER"); exporter != "" {
		return exporter != "none"
	}
	return getenv("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || getenv("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT") != ""
}
