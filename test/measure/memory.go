package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// memory is the proportional set size of all processes that match, in bytes: what
// they take together, with shared pages counted once (proc(5), smaps_rollup).
func memory(match func(command string) bool) uint64 {
	var total uint64
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		command, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil || !match(strings.ReplaceAll(string(command), "\x00", " ")) {
			continue
		}
		total += pss(dir)
	}
	return total
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

// cgroupMemory is like memory, for all processes below a cgroup, pods included.
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

// peak samples f until stop is called, which returns the highest value.
func peak(ctx context.Context, f func() uint64) (stop func() uint64) {
	ctx, cancel := context.WithCancel(ctx)
	result := make(chan uint64)
	go func() {
		var highest uint64
		for {
			select {
			case <-ctx.Done():
				result <- highest
				return
			case <-time.After(100 * time.Millisecond):
				highest = max(highest, f())
			}
		}
	}()
	return func() uint64 { cancel(); return <-result }
}

func gigabytes(n uint64) string { return fmt.Sprintf("%.1f GB", float64(n)/1e9) }
func megabytes(n int64) string  { return fmt.Sprintf("%.1f MB", float64(n)/1e6) }
