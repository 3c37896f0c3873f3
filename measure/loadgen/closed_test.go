package loadgen

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"
)

func TestSummarize(t *testing.T) {
	t.Parallel()
	failure := errors.New("no")
	got := summarize([]callerResult{
		{latencies: []time.Duration{3, 1}}, {latencies: []time.Duration{2}, failed: 2, err: failure}, {failed: 1, err: errors.New("late")},
	}, time.Second/2)
	want := Result{Calls: 3, Failed: 3, Err: failure, Elapsed: time.Second / 2, P50: 2, P99: 3}
	if got != want || got.PerSecond() != 6 {
		t.Errorf("summarize() = %+v with %v calls/s, want %+v with 6", got, got.PerSecond(), want)
	}
}

// TestRunIsAClosedLoop checks that callers run at once, and that each has one call in flight.
func TestRunIsAClosedLoop(t *testing.T) {
	t.Parallel()
	const callers = 5
	under := make(chan struct{}, callers)
	var most [callers]int
	var calls []Caller
	for i := range callers {
		calls = append(calls, func(context.Context) error {
			select {
			case under <- struct{}{}:
			default:
				return errors.New("more calls are under way than there are callers")
			}
			most[i] = max(most[i], len(under))
			time.Sleep(time.Millisecond)
			<-under
			return nil
		})
	}
	result := Run(t.Context(), calls, 50*time.Millisecond)
	if result.Failed > 0 || result.Calls < callers || slices.Max(most[:]) < 2 {
		t.Errorf("Run() = %+v with %d calls at once, want no failure and several", result, most)
	}
}

func TestRunGivesUp(t *testing.T) {
	t.Parallel()
	failing := func(context.Context) error { return errors.New("no") }
	if result := Run(t.Context(), []Caller{failing, failing}, time.Hour); result.Failed != 2*failuresEnough || result.Calls != 0 {
		t.Errorf("Run() of calls that fail = %+v, want %d failures each", result, failuresEnough)
	}
}
