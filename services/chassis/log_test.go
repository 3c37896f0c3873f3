package chassis

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"
	"time"
)

func TestLogHasTheFieldsOfCloudLogging(t *testing.T) {
	t.Parallel()
	for level, severity := range map[slog.Level]string{
		slog.LevelDebug: "DEBUG", slog.LevelInfo: "INFO", slog.LevelWarn: "WARNING", slog.LevelError: "ERROR",
	} {
		var out bytes.Buffer
		newLogger(&out, level).Log(t.Context(), level, "hello", "n", 1, slog.Group("g", "level", "kept"))
		var line struct {
			Time              time.Time
			Severity, Message string
			N                 int
			G                 struct{ Level string }
		}
		if err := json.Unmarshal(out.Bytes(), &line); err != nil {
			t.Fatalf("%q: %v", &out, err)
		}
		if line.Severity != severity || line.Message != "hello" || line.N != 1 || line.G.Level != "kept" || line.Time.IsZero() {
			t.Errorf("a line at %s is %s", level, &out)
		}
	}
}

func TestLogLevel(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	newLogger(&out, slog.LevelWarn).Info("not wanted")
	if out.Len() > 0 {
		t.Errorf("at level warn, info is written: %s", &out)
	}
}
