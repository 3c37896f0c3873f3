package main

import (
	"context"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// matcher reports whether a command line is of a process to measure.
type matcher func(command string) bool

// memory returns for each matcher the proportional set size of its processes in bytes. That
// is their memory with shared pages counted once (proc(5), smaps_rollup).
func memory(of ...matcher) []uint64 {
	totals := make([]uint64, len(of))
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		text, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil {
			continue // it has ended
		}
		command := strings.ReplaceAll(string(text), "\x00", " ")
		for i, match := range of {
			if match(command) {
				totals[i] += pss(dir)
			}
		}
	}
	return totals
}

func pss(dir string) uint64 {
	text, err := os.ReadFile(filepath.Join(dir, "smaps_rollup"))
	if err != nil {
		return 0 // it has ended
	}
	for line := range strings.Lines(string(text)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "Pss:" {
			kib, _ := strconv.ParseUint(f[1], 10, 64)
			return kib << 10
		}
	}
	return 0
}

// cgroupMemory is like memory, for all processes below a cgroup. It includes pods.
func cgroupMemory(name string) uint64 {
	var total uint64
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		if groups, err := os.ReadFile(filepath.Join(dir, "cgroup")); err == nil && strings.Contains(string(groups), "/"+name) {
			total += pss(dir)
		}
	}
	return total
}

// peaks reads the memory of each matcher ten times a second until stop is called. stop
// returns the peak of each.
func peaks(ctx context.Context, of ...matcher) (stop func() []uint64) {
	ctx, cancel := context.WithCancel(ctx)
	result := make(chan []uint64)
	go func() {
		highest := make([]uint64, len(of))
		for {
			select {
			case <-ctx.Done():
				result <- highest
				return
			case <-time.After(100 * time.Millisecond):
				for i, now := range memory(of...) {
					highest[i] = max(highest[i], now)
				}
			}
		}
	}()
	return func() []uint64 { cancel(); return <-result }
}
