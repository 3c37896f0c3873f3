package chassis

import (
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestReadSettings(t *testing.T) {
	t.Parallel()
	defaults := settings{port: 8080, logLevel: slog.LevelInfo, termination: splitBudget(25 * time.Second)}
	with := func(change func(*settings)) settings {
		changed := defaults
		change(&changed)
		return changed
	}
	for name, test := range map[string]struct {
		environment map[string]string
		want        settings
	}{
		"nothing set": {nil, defaults},
		"empty":       {map[string]string{"PORT": "", "LOG_LEVEL": "", "MAX_CALLS": "", "TERMINATION_BUDGET": ""}, defaults},
		"all set": {
			map[string]string{"PORT": "1", "LOG_LEVEL": "DEBUG", "MAX_CALLS": "7", "TERMINATION_BUDGET": "1m30s"},
			settings{port: 1, logLevel: slog.LevelDebug, maxCalls: 7, termination: splitBudget(90 * time.Second)},
		},
		"highest port": {map[string]string{"PORT": "65535"}, with(func(s *settings) { s.port = 65535 })},
		"OTLP endpoint": {
			map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "https://collector:4317"},
			with(func(s *settings) { s.traces, s.metrics = true, true }),
		},
		"OTLP endpoint of traces": {
			map[string]string{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://collector:4317"},
			with(func(s *settings) { s.traces = true }),
		},
		"exporter of metrics": {
			map[string]string{"OTEL_METRICS_EXPORTER": "prometheus"},
			with(func(s *settings) { s.metrics = true }),
		},
		"exporter none wins over the endpoint": {
			map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317", "OTEL_METRICS_EXPORTER": "none"},
			with(func(s *settings) { s.traces = true }),
		},
		"SDK disabled": {
			map[string]string{"OTEL_EXPORTER_OTLP_ENDPOINT": "http://collector:4317", "OTEL_SDK_DISABLED": "true"},
			defaults,
		},
		"SDK not disabled, nothing asked for": {map[string]string{"OTEL_SDK_DISABLED": "false"}, defaults},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := readSettings(getenv(test.environment))
			if err != nil || got != test.want {
				t.Errorf("readSettings(%v) = %+v, %v, want %+v", test.environment, got, err, test.want)
			}
		})
	}
}

// wrong lists values that are refused, with a part of each error.
var wrong = []struct{ name, value, allowed string }{
	{"PORT", "0", "1 to 65535"},
	{"PORT", "65536", "1 to 65535"},
	{"PORT", "-1", "1 to 65535"},
	{"PORT", ":8080", "1 to 65535"},
	{"LOG_LEVEL", "verbose", "debug, info, warn or error"},
	{"LOG_LEVEL", "INFO+2", "debug, info, warn or error"},
	{"MAX_CALLS", "-1", "from 1 to 100000, or 0"},
	{"MAX_CALLS", "100001", "from 1 to 100000, or 0"},
	{"MAX_CALLS", "many", "from 1 to 100000, or 0"},
	{"TERMINATION_BUDGET", "25", "such as 25s"},
	{"TERMINATION_BUDGET", "0s", "above zero"},
	{"TERMINATION_BUDGET", "-5s", "above zero"},
	{"OTEL_SDK_DISABLED", "yes", "true, false"},
	{"OTEL_TRACES_EXPORTER", "jaeger", "otlp, console, none"},
	{"OTEL_METRICS_EXPORTER", "statsd", "otlp, prometheus, console, none"},
	{"OTEL_EXPORTER_OTLP_PROTOCOL", "http/json", "grpc, http/protobuf"},
	{"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "udp", "grpc, http/protobuf"},
	{"OTEL_EXPORTER_OTLP_METRICS_PROTOCOL", "udp", "grpc, http/protobuf"},
	{"OTEL_TRACES_SAMPLER", "sometimes", "always_on"},
	{"OTEL_EXPORTER_OTLP_ENDPOINT", "collector:4317", "http://collector:4317"},
	{"OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://", "http://collector:4317"},
	{"OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "::", "http://collector:4317"},
}

func TestReadSettingsRefuses(t *testing.T) {
	t.Parallel()
	for _, test := range wrong {
		_, err := readSettings(getenv(map[string]string{test.name: test.value}))
		if err == nil {
			t.Errorf("%s=%q is accepted", test.name, test.value)
			continue
		}
		if said := err.Error(); !strings.Contains(said, test.name+"=") || !strings.Contains(said, test.allowed) {
			t.Errorf("%s=%q is refused with %q, want the name and %q", test.name, test.value, said, test.allowed)
		}
	}
}

func TestReadSettingsReportsAllThatIsWrong(t *testing.T) {
	t.Parallel()
	environment := map[string]string{}
	for _, test := range wrong {
		environment[test.name] = test.value
	}
	_, err := readSettings(getenv(environment))
	if err == nil {
		t.Fatal("a wholly wrong environment is accepted")
	}
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		if strings.Count(err.Error(), "\n"+name+"=") != 1 {
			t.Errorf("the error has not one line about %s:\n%v", name, err)
		}
	}
}

func getenv(environment map[string]string) func(string) string {
	return func(name string) string { return environment[name] }
}
