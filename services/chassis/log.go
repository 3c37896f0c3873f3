package chassis

import (
	"io"
	"log/slog"
)

// newLogger writes JSON lines with the field names by which Cloud Logging
// knows time, severity and message (Cloud Logging, "Structured logging").
func newLogger(w io.Writer, level slog.Level) *slog.Logger {
	return slog.New(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level, ReplaceAttr: cloudLogging}))
}

func cloudLogging(groups []string, field slog.Attr) slog.Attr {
	if len(groups) > 0 {
		return field
	}
	switch field.Key {
	case slog.MessageKey:
		field.Key = "message"
	case slog.LevelKey:
		field.Key = "severity"
		if field.Value.Any() == slog.LevelWarn {
			field.Value = slog.StringValue("WARNING") // LogSeverity has no WARN
		}
	}
	return field
}
