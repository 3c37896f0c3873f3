// Package load calls a service from many callers at once, and measures how many
// calls were answered, how soon, and with how many bytes.
package load

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Call makes one call and waits for its answer, which it checks.
type Call func(ctx context.Context) error

// Result is what one window measured.
type Result struct {
	// Calls were answered as they should be, and Failed were not.
	Calls, Failed int
	// Err is the first failure.
	Err error
	// Elapsed is from the first call to the last answer.
	Elapsed time.Duration
	// P50 and P99 are the latencies that half and 99 % of Calls did not exceed.
	P50, P99 time.Duration
}

// PerSecond is the throughput.
func (r Result) PerSecond() float64 { return float64(r.Calls) / r.Elapsed.Seconds() }

// failuresEnough ends a caller: where nothing works there is nothing to measure.
const failuresEnough = 100

// Run is a closed loop: each caller has one call under way, and makes the next as
// soon as it is answered, until the window is over. The last calls are waited for.
func Run(ctx context.Context, callers []Call, window time.Duration) Result {
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

func (r *callerResult) repeat(ctx context.Context, call Call, end time.Time) {
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

// percentile is the nearest rank of sorted values, and 0 of none.
func percentile(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)*percent+99)/100-1]
}

// errWrongAnswer is an answer that is not what was sent.
func errWrongAnswer(got string) error { return fmt.Errorf("the answer was %.80q", got) }
