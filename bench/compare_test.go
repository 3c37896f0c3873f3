package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"example.com/grpc-edge/bench/edgepage"
	"example.com/grpc-edge/measure/machine"
)

// TestCompare measures the candidates that need no programs built for the benchmark alone.
func TestCompare(t *testing.T) {
	o := testOptions(t)
	result, err := compare(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range result.Candidates {
		if c.Failed != 0 {
			t.Errorf("%s: %d calls failed, the first: %s", c.Title, c.Failed, c.Failure)
		}
		for i, f := range c.Figures {
			if f.PerSecond <= 0 || f.P50 <= 0 || f.P99 < f.P50 || f.Sent < 128 || f.Received < 128 {
				t.Errorf("%s, %s: figures %+v, want some above zero and 128 bytes both ways", c.Title, result.Loads[i].Title, f)
			}
			if (f.CPU > 0) != (c.Kind != edgepage.Direct) {
				t.Errorf("%s, %s: CPU %v, want some for proxies only", c.Title, result.Loads[i].Title, f.CPU)
			}
		}
		if c.Kind != edgepage.Direct && (c.Memory < 1<<20 || c.Spread < 1 || c.Spread > 1.05) {
			t.Errorf("%s: peak memory %d, spread %v, want a megabyte at least and 1 to 1.05", c.Title, c.Memory, c.Spread)
		}
	}
	if len(result.Scales) != 2 {
		t.Fatalf("with many services: %+v, want two rows", result.Scales)
	}
	for i, services := range []int{2, 200} {
		if s := result.Scales[i]; s.Services != services || s.Figures.PerSecond <= 0 || s.Memory < 1<<20 || s.Start <= 0 || s.Size <= s.Packed || s.Packed == 0 {
			t.Errorf("with %d services: %+v, want all figures", services, s)
		}
	}
	if got, want := len(result.Protocols), len(protocols); got != want {
		t.Errorf("%d protocols were measured, want %d", got, want)
	}
	expectNoChildren(t)

	dir := t.TempDir()
	if err := result.Write(dir); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "benchmark.md"))
	if err != nil || !strings.Contains(string(text), "| direct, TLS | ") {
		t.Errorf("benchmark.md (%v) has no row for direct calls:\n%s", err, text)
	}
}

// TestCompareEndsWithItsContext cancels the context, as Ctrl-C does.
func TestCompareEndsWithItsContext(t *testing.T) {
	o := testOptions(t)
	o.only, o.window = []string{"minimal"}, time.Minute
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Second)
	defer cancel()
	if _, err := compare(ctx, o); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("compare() = %v, want the error of its context", err)
	}
	expectNoChildren(t)
}

func TestUnknownCandidate(t *testing.T) {
	if _, err := (options{only: []string{"edge", "apache"}}).chosen(candidates()); err == nil || !strings.Contains(err.Error(), `"apache"`) {
		t.Errorf("chosen() = %v, want an error that names apache", err)
	}
}

func testOptions(t *testing.T) options {
	t.Helper()
	cpus, err := machine.Allowed()
	if err != nil {
		t.Fatal(err)
	}
	o := options{rounds: 1, window: 300 * time.Millisecond, warmup: 50 * time.Millisecond, only: []string{"direct", "direct-tls", "edge", "minimal", "edge-2-last", "edge-200-last"}}
	o.proxyOn, o.loadOn = machine.Divide(cpus)
	return o
}

// expectNoChildren fails the test if this process still has children.
func expectNoChildren(t *testing.T) {
	t.Helper()
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil || len(lists) == 0 {
		t.Fatalf("looking for children: %v, found %d lists", err, len(lists))
	}
	for _, list := range lists {
		if pids, err := os.ReadFile(list); err == nil && len(pids) > 0 {
			t.Errorf("processes %s were left", pids)
		}
	}
}
