package fault

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"strconv"
	"time"

	"example.com/grpc-edge/test/steady"
)

// What a pod of the service can do is small and known, so that it is the service
// that is at its limit, and not the two cores that its callers share with it:
// poolSize calls at once, each for holdsFor (faulty/reverse.go.txt).
const (
	poolSize = 8
	holdsFor = 100 * time.Millisecond
	// maxCalls has half as many wait: the last of them for half of holdsFor.
	maxCalls = poolSize * 3 / 2
)

// The load in shares of what all pods can do, and for how long. Half comes before,
// for quietBefore, and again at the end.
const (
	allFor, thriceFor = 8 * time.Second, 15 * time.Second
	half, all, thrice = 0.5, 1, 3
)

const (
	// settled is when hardly anything may be refused any more, after the load is half again.
	settled = 2 * time.Second
	// refusedAtHalf is how many percent may be refused of what is no more than half: a
	// machine that does something else for a moment has calls come all at once.
	refusedAtHalf = 1
	// leastGoodput is the share of what the pods can do that must be answered at least,
	// however much more is asked for.
	leastGoodput = 0.8
)

// Overload calls a service more often than it can answer.
type Overload struct {
	capacity float64 // calls a second
}

func (o *Overload) start(ctx context.Context, s *Sandbox) (*steady.Load, error) {
	pods, err := s.pods(ctx, "reverse")
	if err != nil {
		return nil, err
	}
	o.capacity = float64(len(pods)*poolSize) / holdsFor.Seconds()
	s.note("%d pods do %d calls at once, of %s each: %.0f calls a second; each takes %d (`serviceMaxCalls`)", len(pods), poolSize, holdsFor, o.capacity, maxCalls)
	return steady.StartOpen(ctx, s.Target, steady.Default.Deadline,
		steady.Step{PerSecond: half * o.capacity, For: quietBefore},
		steady.Step{PerSecond: all * o.capacity, For: allFor},
		steady.Step{PerSecond: thrice * o.capacity, For: thriceFor},
		steady.Step{PerSecond: half * o.capacity})
}

// broken says what does not hold of the usual load beside it, of which only calls of
// the same service may be refused, and of how much was answered.
func (o *Overload) broken(usual, planned []steady.Call, m moments) (list []string) {
	for _, call := range steady.NotRefused(steady.Failed(usual)) {
		list = append(list, fmt.Sprintf("a call of the usual load failed: %s: %s", call.Client, reason(call.Err)))
		break
	}
	for _, call := range steady.Refused(usual) {
		if call.Client != "grpc" { // others do not call api.Reverse
			list = append(list, fmt.Sprintf("a call of another service was refused: %s: %s", call.Client, reason(call.Err)))
			break
		}
	}
	during := steady.Between(planned, m.happened, m.over)
	good := len(during) - len(steady.Failed(during))
	if rate := float64(good) / m.over.Sub(m.happened).Seconds(); rate < leastGoodput*o.capacity {
		list = append(list, fmt.Sprintf("%.0f calls a second were answered, of %.0f that the pods can do", rate, o.capacity))
	}
	return list
}

//go:embed faulty/reverse.go.txt
var smallHandlers []byte

func smallReverse(ctx context.Context, s *Sandbox) error {
	if err := s.write("services/reverse/handlers.go", smallHandlers); err != nil {
		return err
	}
	return errors.Join(s.configure(map[string]string{"serviceMaxCalls": strconv.Itoa(maxCalls)}), s.up(ctx))
}

// watchMemory looks at the memory of the edge and of the service while it is too much.
func watchMemory(ctx context.Context, s *Sandbox) (func() error, error) {
	end := time.Now().Add(allFor + thriceFor) // as the plan has it
	list, err := s.usages(ctx, "envoy", "reverse")
	if err != nil {
		return nil, err
	}
	for time.Now().Before(end) {
		for _, u := range list {
			if _, err := u.read(); err != nil {
				return nil, err
			}
		}
		if err := sleep(ctx, min(time.Second, time.Until(end))); err != nil {
			return nil, err
		}
	}
	return nil, s.within(list)
}
