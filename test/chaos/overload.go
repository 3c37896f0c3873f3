package chaos

import (
	"context"
	_ "embed"
	"fmt"
	"strconv"
	"time"

	"example.com/grpc-edge/internal/wait"
	"example.com/grpc-edge/measure/loadgen"
)

// A pod of the service has a small, known capacity: poolSize calls at once, each for
// holdsFor (broken/reverse.go.txt). So the service reaches its limit before the two cores
// that it shares with its callers reach theirs.
const (
	poolSize = 8
	holdsFor = 100 * time.Millisecond
	// maxCalls lets half of poolSize calls wait, the last of them for half of holdsFor: the chassis
	// gives one address three quarters of it.
	maxCalls = poolSize * 2
)

// half, all and peak are loads as shares of the capacity of all pods. allFor and
// peakFor are their times. Half of the capacity comes first, for quietBefore, and again
// at the end.
const (
	allFor, peakFor = 8 * time.Second, 15 * time.Second
	half, all, peak = 0.5, 1, 3
)

const (
	// settled is the time from the return to half of the load until hardly any call may be
	// refused.
	settled = 2 * time.Second
	// refusedAtHalf is the percentage of calls that may be refused at half of the load: a
	// machine that is busy for a moment makes calls arrive in a burst.
	refusedAtHalf = 1
	// leastGoodput is the least share of the capacity that must be answered at any load.
	leastGoodput = 0.8
)

// Overload calls a service above its capacity.
type Overload struct {
	capacity float64 // calls a second
}

func (o *Overload) start(ctx context.Context, s *Sandbox) (*loadgen.Load, error) {
	pods, err := s.pods(ctx, "reverse")
	if err != nil {
		return nil, err
	}
	o.capacity = float64(len(pods)*poolSize) / holdsFor.Seconds()
	s.note("%d pods do %d calls at once, of %s each: %.0f calls a second; each takes %d (`serviceMaxCalls`)", len(pods), poolSize, holdsFor, o.capacity, maxCalls)
	return loadgen.StartPlan(ctx, s.Target, loadgen.Default.Deadline,
		loadgen.Step{PerSecond: half * o.capacity, For: quietBefore},
		loadgen.Step{PerSecond: all * o.capacity, For: allFor},
		loadgen.Step{PerSecond: peak * o.capacity, For: peakFor},
		loadgen.Step{PerSecond: half * o.capacity})
}

// broken returns what does not hold. Of the usual load, only calls of the same service may
// be refused. Of the plan, at least leastGoodput must be answered.
func (o *Overload) broken(usual, planned []loadgen.Call, m moments) (list []string) {
	for _, call := range loadgen.NotRefused(loadgen.Failed(usual)) {
		list = append(list, fmt.Sprintf("a call of the usual load failed: %s: %s", call.Client, reason(call.Err)))
		break
	}
	for _, call := range loadgen.Refused(usual) {
		if call.Client != "grpc" { // others do not call api.Reverse
			list = append(list, fmt.Sprintf("a call of another service was refused: %s: %s", call.Client, reason(call.Err)))
			break
		}
	}
	during := loadgen.Between(planned, m.happened, m.over)
	good := len(during) - len(loadgen.Failed(during))
	if rate := float64(good) / m.over.Sub(m.happened).Seconds(); rate < leastGoodput*o.capacity {
		list = append(list, fmt.Sprintf("%.0f calls a second were answered, of %.0f that the pods can do", rate, o.capacity))
	}
	return list
}

//go:embed broken/reverse.go.txt
var smallHandlers []byte

func smallReverse(ctx context.Context, s *Sandbox) error {
	if err := s.write("services/reverse/handlers.go", smallHandlers); err != nil {
		return err
	}
	return s.deploy(ctx, map[string]string{"serviceMaxCalls": strconv.Itoa(maxCalls)})
}

// watchMemory reads the memory of the edge and of the service during the overload.
func watchMemory(ctx context.Context, s *Sandbox) error {
	end := time.Now().Add(allFor + peakFor) // as the plan has it
	list, err := s.usages(ctx, "envoy", "reverse")
	if err != nil {
		return err
	}
	for time.Now().Before(end) {
		for _, u := range list {
			if _, err := u.read(); err != nil {
				return err
			}
		}
		if err := wait.For(ctx, min(time.Second, time.Until(end))); err != nil {
			return err
		}
	}
	return s.within(list)
}
