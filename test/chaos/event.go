// Package chaos injects planned and unplanned events of production into a running sandbox
// while clients call it at a steady rate, and attempts what must be refused. It checks the
// outcome of each event against the event's promise.
package chaos

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"example.com/grpc-edge/internal/wait"
	"example.com/grpc-edge/measure/loadgen"
	"example.com/grpc-edge/measure/report"
)

// These are the kinds of events, in the order of the report.
const (
	Planned   = "planned"
	Unplanned = "unplanned"
	Load      = "load"
	Abuse     = "abuse"
	// Check is for an attempt that must be refused, or a failure that the deployer must
	// survive. It needs no load.
	Check = "check"
)

// Kinds lists all kinds.
var Kinds = []string{Planned, Unplanned, Load, Abuse, Check}

// Event describes an event in the sandbox, and what must hold meanwhile.
type Event struct {
	// Key names the event on the command line and in file names. Title names it in the
	// report.
	Key, Kind, Title string
	// Promise is stated before the event, and checked after it. Want is the promise of a
	// check, in words.
	Promise Promise
	Want    string
	// Tool is the command of the sandbox that fetches what the event needs. It runs before
	// the sandbox starts. Empty is for none.
	Tool string
	// Prepare, if not nil, runs before the event, without load.
	Prepare func(ctx context.Context, s *Sandbox) error
	// Hold is the time that the event lasts after Do; 0 if it is over when Do returns.
	Hold time.Duration
	// Reverts restores the files that the event changed, after it and without load. An
	// event that fails is always reverted.
	Reverts bool
	// Overload, if not nil, calls one service by its plan, in addition to the usual load.
	// The outcome then counts the calls of the plan.
	Overload *Overload
	// Do causes the event. It may set the Sandbox's undo. For a check, it returns an error if
	// Want does not hold.
	Do func(ctx context.Context, s *Sandbox) error
}

// Promise bounds what an event may cost. The zero value allows no failed call.
type Promise struct {
	// Failed is the percentage of calls that may fail from the event until the end.
	Failed float64
	// Of the calls that begin later than After, only LateFailed percent may fail. There
	// must be such calls. An After of 0 sets no bound beyond Failed.
	After      time.Duration
	LateFailed float64
	// Slower bounds p99 from After on, as a multiple of p99 before the event, or of calmP99 if
	// that is more. 0 sets no bound.
	Slower float64
	// Later, if not 0, is the least that p99 must reach while the event lasts. p99 may reach
	// three times Later plus twice its value before: a call that opens a connection to a
	// pod waits twice.
	Later time.Duration
	// Flat requires that memory, descriptors and goroutines do not grow.
	Flat bool
	// Refuses requires that calls are refused while the event lasts. p99 of the refusals
	// must not exceed p99 of answered calls before. Refused calls do not count as failed or
	// slow.
	Refuses bool
}

// String returns the promise as a sentence for the report.
func (p Promise) String() string {
	if p == (Promise{}) {
		return "no failed call"
	}
	var parts []string
	if p.Failed == 0 {
		parts = append(parts, "no failed call")
	} else {
		parts = append(parts, fmt.Sprintf("under %g %% failed", p.Failed))
	}
	if p.After > 0 && p.Failed > 0 {
		if p.LateFailed == 0 {
			parts = append(parts, fmt.Sprintf("none that begins later than %s after", p.After))
		} else {
			parts = append(parts, fmt.Sprintf("%g %% of those that begin later than %s after", p.LateFailed, p.After))
		}
	}
	if p.Flat {
		parts = append(parts, "memory, descriptors and goroutines flat")
	}
	if p.Later > 0 {
		parts = append(parts, fmt.Sprintf("p99 more by %s, and not much more", p.Later))
	}
	if p.Refuses {
		parts = append(parts, fmt.Sprintf("excess calls refused (p99) before another call is answered, and hardly any later than %s after the load has fallen; at least %.0f %% of the capacity answered", settled, 100*leastGoodput))
	}
	if p.Slower > 0 {
		parts = append(parts, fmt.Sprintf("p99 within %g times that of before, or of %s", p.Slower, calmP99))
	}
	return strings.Join(parts, "; ")
}

// calmP99 is a p99 that is low for clients, nodes and control plane on two cores. A multiple of
// a lower one would be a bound for the machine's noise.
const calmP99 = 20 * time.Millisecond

// deadlineMargin allows for late timers of clients on a busy machine with two cores.
const deadlineMargin = time.Second

// Outcome is the result of an event. Times are offsets from the first call.
type Outcome struct {
	Key, Kind string
	report.Verdict
	Measured time.Time
	// Took is the time of a check. What follows is of other events.
	Took time.Duration `json:",omitempty"`
	// Failed does not include Refused.
	Sent, Failed, Refused, Retried int `json:",omitempty"`
	// Before, During and After are p99 before the event, while it lasts, and after it. They
	// leave out refused calls and clients that connect for each call.
	Before, During, After time.Duration `json:",omitempty"`
	// Happened is when the event began. Over is when it was undone, or done.
	Happened, Over time.Duration `json:",omitempty"`
	// Recovered is the time from Happened until the last failed or refused call ended. It is
	// 0 if there was none.
	Recovered time.Duration `json:",omitempty"`
	// Failures counts the failures by kind.
	Failures map[string]int `json:",omitempty"`
	// Notes holds other measurements.
	Notes []string `json:",omitempty"`
	// Buckets is for the timeline, and is not stored.
	Buckets []loadgen.Bucket `json:"-"`
	// Series holds the resource usage meanwhile, for events that measure it.
	Series []Series `json:",omitempty"`
}

// moments holds the times of a run.
type moments struct{ begun, happened, over, ended time.Time }

// quietBefore and quietAfter are the times with load alone before and after each event.
const (
	quietBefore = 8 * time.Second
	quietAfter  = 10 * time.Second
)

// Run causes the event and returns the outcome.
func (e Event) Run(ctx context.Context, s *Sandbox) Outcome {
	fmt.Fprintf(s.Log, "=== %s\n", e.Title)
	outcome, wanted := Outcome{Measured: time.Now()}, e.Want
	if e.Kind == Check {
		if err := e.Do(ctx, s); err != nil {
			outcome.Broken = []string{err.Error()}
		}
		outcome.Took = time.Since(outcome.Measured)
	} else {
		outcome, wanted = e.underLoad(ctx, s), e.Promise.String()
	}
	outcome.Key, outcome.Kind, outcome.What, outcome.Wanted = e.Key, e.Kind, e.Title, wanted
	return outcome
}

// underLoad causes the event under load, and cleans up after it. Any other error breaks the
// promise too, because the event has then proved nothing.
func (e Event) underLoad(ctx context.Context, s *Sandbox) Outcome {
	s.kept = map[string]*[]byte{}
	outcome, err := e.run(ctx, s)
	if ctx.Err() == nil && (err != nil || e.Reverts) {
		err = errors.Join(err, s.revert(ctx))
	}
	if ctx.Err() == nil {
		err = errors.Join(err, s.healthy(ctx))
	}
	if err != nil {
		outcome.Broken = append(outcome.Broken, "it could not be shown: "+err.Error())
	}
	return outcome
}

func (e Event) run(ctx context.Context, s *Sandbox) (Outcome, error) {
	if e.Prepare != nil {
		if err := e.Prepare(ctx, s); err != nil {
			return Outcome{Measured: time.Now()}, err
		}
	}
	s.notes, s.series, s.undo = nil, nil, func() error { return nil }
	load, err := loadgen.Start(ctx, s.Target, loadgen.Default)
	if err != nil {
		return Outcome{Measured: time.Now()}, err
	}
	var planned *loadgen.Load
	if e.Overload != nil {
		planned, err = e.Overload.start(ctx, s)
	}
	m := moments{begun: time.Now()}
	if err == nil {
		err = e.happen(ctx, s, &m)
	}
	calls := load.Stop()
	m.ended = time.Now()
	if m.over.IsZero() { // it went wrong
		m.over = m.ended
	}
	var broken []string
	if planned != nil {
		others := calls
		calls = planned.Stop()
		broken = e.Overload.broken(others, calls, m)
	}
	outcome := e.judge(calls, m)
	if err == nil && e.Promise.Flat {
		err = flat(s.series)
	}
	outcome.Notes, outcome.Series, outcome.Broken = s.notes, s.series, append(outcome.Broken, broken...)
	return outcome, err
}

func (e Event) happen(ctx context.Context, s *Sandbox, m *moments) (err error) {
	if err := wait.For(ctx, quietBefore); err != nil {
		return err
	}
	m.happened = time.Now()
	err = e.Do(ctx, s)
	undo := sync.OnceValue(s.undo)
	defer func() {
		if failed := undo(); err == nil { // even if ctx has ended meanwhile
			err = failed
		}
	}()
	if err != nil {
		return err
	}
	if err := wait.For(ctx, e.Hold); err != nil {
		return err
	}
	if err := undo(); err != nil {
		return err
	}
	m.over = time.Now()
	return wait.For(ctx, quietAfter)
}

// judge counts the calls and checks them against the promise.
func (e Event) judge(calls []loadgen.Call, m moments) Outcome {
	if m.happened.IsZero() { // it went wrong before
		m.happened = m.over
	}
	o := Outcome{Measured: m.begun, Happened: m.happened.Sub(m.begun), Over: m.over.Sub(m.begun), Failures: map[string]int{}}
	o.Sent, o.Retried, o.Buckets = len(calls), loadgen.Retries(calls), loadgen.Buckets(calls, m.begun)
	for _, call := range loadgen.Failed(calls) {
		o.Failures[call.Client+": "+reason(call.Err)]++
		o.Recovered = max(o.Recovered, call.Ended().Sub(m.happened))
	}
	if e.Promise.Refuses {
		o.Broken = refusals(calls, m)
		o.Refused, calls = len(loadgen.Refused(calls)), loadgen.NotRefused(calls)
	}
	before, since := loadgen.Between(calls, m.begun, m.happened), loadgen.Between(calls, m.happened, m.ended)
	o.Failed = len(loadgen.Failed(calls))
	o.Before, o.During, o.After = p99(before), p99(loadgen.Between(calls, m.happened, m.over)), p99(loadgen.Between(calls, m.over, m.ended))
	o.Broken = append(o.Broken, e.Promise.broken(before, since, m)...)
	return o
}

// p99 returns the p99 of calls on kept connections. Calls that open a connection take
// several times as long because of their handshakes, and would always be the slowest.
func p99(calls []loadgen.Call) time.Duration { return loadgen.P99(loadgen.Kept(calls)) }

// refusals lists the promises about refused calls that were broken.
func refusals(calls []loadgen.Call, m moments) (list []string) {
	for when, between := range map[string][]loadgen.Call{
		"before anything was done":                              loadgen.Between(calls, m.begun, m.happened),
		fmt.Sprintf("later than %s after it was over", settled): loadgen.Between(calls, m.over.Add(settled), m.ended),
	} {
		if n := len(loadgen.Refused(between)); n > len(between)*refusedAtHalf/100 {
			list = append(list, fmt.Sprintf("%d of %d calls were refused %s", n, len(between), when))
		}
	}
	answered := loadgen.P99(loadgen.NotRefused(loadgen.Between(calls, m.begun, m.happened)))
	refused := loadgen.Refused(loadgen.Between(calls, m.happened, m.over))
	if p99 := loadgen.P99(refused); len(refused) == 0 || p99 > answered {
		list = append(list, fmt.Sprintf("%d calls were refused within %s (p99), want some, within the %s of calls that were answered before", len(refused), p99, answered))
	}
	return list
}

// broken returns what does not hold of the promise.
func (p Promise) broken(before, since []loadgen.Call, m moments) (list []string) {
	breaks := func(format string, args ...any) { list = append(list, fmt.Sprintf(format, args...)) }
	if n := len(loadgen.Failed(before)); n > 0 {
		breaks("%d calls failed before anything was done", n)
	}
	if len(before) == 0 || len(since) == 0 {
		breaks("there were no calls")
		return list
	}
	if share := percent(since); share > p.Failed {
		breaks("%.2f %% of the calls failed, more than %g %%", share, p.Failed)
	}
	late := loadgen.Between(since, m.happened.Add(p.After), m.ended)
	if len(late) == 0 {
		breaks("no call began later than %s after", p.After)
	}
	if share := percent(late); p.After > 0 && share > p.LateFailed {
		breaks("%.2f %% of the calls that began later than %s after failed, more than %g %%", share, p.After, p.LateFailed)
	}
	if was, is := p99(before), p99(late); p.Slower > 0 && is > time.Duration(p.Slower*float64(max(was, calmP99))) {
		breaks("p99 went from %s to %s, more than %g times", was, is, p.Slower)
	}
	if was, is := p99(before), p99(loadgen.Between(since, m.happened, m.over)); p.Later > 0 && (is < p.Later || is > 2*was+3*p.Later) {
		breaks("p99 went from %s to %s, which is not %s more", was, is, p.Later)
	}
	for _, call := range since {
		if limit := loadgen.Default.Deadline + deadlineMargin; call.Took > limit {
			breaks("a call of %s took %s: its deadline was %s", call.Client, call.Took, loadgen.Default.Deadline)
			break
		}
	}
	return list
}

func percent(calls []loadgen.Call) float64 {
	if len(calls) == 0 {
		return 0
	}
	return 100 * float64(len(loadgen.Failed(calls))) / float64(len(calls))
}

// reason returns at most the first 200 bytes of an error, so that like failures count as
// one kind.
func reason(err error) string {
	text := strings.Join(strings.Fields(err.Error()), " ")
	return text[:min(len(text), 200)]
}
