package loadgen

import (
	"context"
	"slices"
	"sync"
	"time"
)

// Result holds the figures of one window of a closed loop.
type Result struct {
	// Calls counts the calls with the right answer. Failed counts all others.
	Calls, Failed int
	// Err is the first failure.
	Err error
	// Elapsed is from the first call to the last answer.
	Elapsed time.Duration
	// P50 and P99 are percentiles of the latency of Calls.
	P50, P99 time.Duration
}

// PerSecond returns the throughput in calls a second.
func (r Result) PerSecond() float64 { return float64(r.Calls) / r.Elapsed.Seconds() }

// failuresEnough is the number of failures after which a caller ends.
const failuresEnough = 100

// Run runs a closed loop: each caller has one call in flight, and makes the next as soon as
// it is answered, until the window is over. Run waits for the last calls.
func Run(ctx context.Context, callers []Caller, window time.Duration) Result {
	start := time.Now()
	results := make([]callerResult, len(callers))
	var wait sync.WaitGroup
	for i, call := range callers {
		wait.Go(func() { results[i].repeat(ctx, call, start.Add(window)) })
	}
	wait.Wait()
	return summarize(results, time.Since(start))
}

type callerResult struct {
	latencies []time.Duration
	failed    int
	err       error
}

func (r *callerResult) repeat(ctx context.Context, call Caller, end time.Time) {
	for begin := time.Now(); begin.Before(end) && ctx.Err() == nil && r.failed < failuresEnough; {
		err := call(ctx)
		now := time.Now()
		if err == nil {
			r.latencies = append(r.latencies, now.Sub(begin))
		} else if r.failed++; r.err == nil {
			r.err = err
		}
		begin = now
	}
}

func summarize(results []callerResult, elapsed time.Duration) Result {
	total := Result{Elapsed: elapsed}
	var latencies []time.Duration
	for _, r := range results {
		latencies = append(latencies, r.latencies...)
		total.Failed += r.failed
		if total.Err == nil {
			total.Err = r.err
		}
	}
	slices.Sort(latencies)
	total.Calls, total.P50, total.P99 = len(latencies), percentile(latencies, 50), percentile(latencies, 99)
	return total
}
