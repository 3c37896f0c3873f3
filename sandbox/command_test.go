package main

import (
	"log/slog"
	"strings"
	"testing"
)

// TestLog checks that calls are logged only if verbose. It sets the program's logger, so it is not
// parallel.
func TestLog(t *testing.T) {
	before := slog.Default()
	t.Cleanup(func() { slog.SetDefault(before) })
	for _, verbose := range []bool{false, true} {
		var log strings.Builder
		logTo(&log, verbose)
		slog.Info("load balancer backends")
		slog.Debug("a call")
		if text := log.String(); !strings.Contains(text, "load balancer backends") || strings.Contains(text, "a call") != verbose {
			t.Errorf("with verbose %t the log is %q", verbose, text)
		}
	}
}
