package main

import (
	"context"
	"strings"
	"time"

	"example.com/grpc-edge/measure/machine"
)

// matcher reports whether a command line is of a process to measure.
type matcher func(command string) bool

// memory returns for each matcher the memory of its processes in bytes, with shared pages
// counted once.
func memory(of ...matcher) []uint64 {
	totals := make([]uint64, len(of))
	for _, p := range machine.Processes() {
		command := strings.Join(p.Args(), " ")
		for i, match := range of {
			if match(command) {
				totals[i] += uint64(p.Proportional())
			}
		}
	}
	return totals
}

// cgroupMemory is like memory, for all processes below a cgroup. It includes pods.
func cgroupMemory(name string) uint64 {
	var total uint64
	for _, p := range machine.Processes() {
		if strings.Contains(p.Cgroup(), "/"+name) {
			total += uint64(p.Proportional())
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
