package chaos

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"example.com/grpc-edge/measure/loadgen"
)

// run returns the calls and times of a run: one second before the event, four of it, and
// one after it, with a call every 10 ms.
func run(failsAt func(ms int) bool, took func(ms int) time.Duration) ([]loadgen.Call, moments) {
	begun := time.Unix(1000, 0)
	m := moments{begun, begun.Add(time.Second), begun.Add(5 * time.Second), begun.Add(6 * time.Second)}
	var calls []loadgen.Call
	for ms := 0; ms < 6000; ms += 10 {
		call := loadgen.Call{Client: "grpc", Began: begun.Add(time.Duration(ms) * time.Millisecond), Took: took(ms)}
		if failsAt(ms) {
			call.Err = errors.New("no")
		}
		calls = append(calls, call)
	}
	return calls, m
}

func TestPromises(t *testing.T) {
	t.Parallel()
	quick := func(int) time.Duration { return 5 * time.Millisecond }
	first := func(ms int) bool { return ms >= 1000 && ms < 1100 } // 10 of 500
	never := func(int) bool { return false }
	for name, test := range map[string]struct {
		promise Promise
		failsAt func(ms int) bool
		took    func(ms int) time.Duration
		broken  []string // a part of each
	}{
		"none failed":          {Promise{}, never, quick, nil},
		"some failed":          {Promise{}, first, quick, []string{"2.00 % of the calls failed"}},
		"some may fail":        {Promise{Failed: 2}, first, quick, nil},
		"only at first":        {Promise{Failed: 2, After: 100 * time.Millisecond}, first, quick, nil},
		"for too long":         {Promise{Failed: 2, After: 90 * time.Millisecond}, first, quick, []string{"later than 90ms after failed"}},
		"before":               {Promise{}, func(ms int) bool { return ms == 0 }, quick, []string{"1 calls failed before"}},
		"slower":               {Promise{Slower: 2}, never, func(ms int) time.Duration { return time.Duration(30+30*(ms/1000)) * time.Millisecond }, []string{"p99 went from 30ms to 180ms"}},
		"slower, but calm":     {Promise{Slower: 2}, never, func(ms int) time.Duration { return time.Duration(1+ms/1000) * time.Millisecond }, nil},
		"slower only at first": {Promise{Slower: 2, After: time.Second}, never, func(ms int) time.Duration { return time.Duration(30*(max(0, 2000-ms)+1000)) * time.Microsecond }, nil},
		"later": {Promise{Later: time.Millisecond}, never, func(ms int) time.Duration {
			if ms >= 1000 && ms < 5000 {
				return 3 * time.Millisecond
			}
			return time.Millisecond
		}, nil},
		"not later":          {Promise{Later: 6 * time.Millisecond}, never, quick, []string{"which is not 6ms more"}},
		"much later":         {Promise{Later: time.Millisecond}, never, func(ms int) time.Duration { return time.Duration(1+min(ms/1000, 1)*9) * time.Millisecond }, []string{"p99 went from 1ms to 10ms"}},
		"after the deadline": {Promise{}, never, func(ms int) time.Duration { return time.Duration(ms) * time.Millisecond }, []string{"its deadline was 3s"}},
	} {
		calls, m := run(test.failsAt, test.took)
		broken := Event{Promise: test.promise}.judge(calls, m).Broken
		if len(broken) != len(test.broken) || len(broken) > 0 && !strings.Contains(broken[0], test.broken[0]) {
			t.Errorf("%s: %q is broken, want %q", name, broken, test.broken)
		}
	}
}

func TestJudge(t *testing.T) {
	t.Parallel()
	calls, m := run(func(ms int) bool { return ms == 1000 || ms == 1200 }, func(ms int) time.Duration { return time.Duration(ms/1000) * time.Millisecond })
	o := Event{Key: "k", Promise: Promise{Failed: 1}}.judge(calls, m)
	if o.Sent != 600 || o.Failed != 2 || o.Before != 0 || o.During != 4*time.Millisecond || o.After != 5*time.Millisecond ||
		o.Recovered != 201*time.Millisecond || o.Happened != time.Second || o.Over != 5*time.Second || o.Failures["grpc: no"] != 2 || len(o.Buckets) != 60 {
		t.Errorf("judge() = %+v", o)
	}
}

func TestRefusals(t *testing.T) {
	t.Parallel()
	const ms = time.Millisecond
	refused := status.Error(codes.ResourceExhausted, "too many")
	during := func(ms int) bool { return ms >= 1000 && ms < 5000 && ms%30 == 0 }
	at := func(answered, refusal time.Duration, when func(int) bool) func(int) time.Duration {
		return func(ms int) time.Duration {
			if when(ms) {
				return refusal
			}
			return answered
		}
	}
	for name, test := range map[string]struct {
		refusedAt func(ms int) bool
		took      time.Duration // to refuse a call
		broken    string
	}{
		"at once":     {during, 2 * ms, ""},
		"late":        {during, 200 * ms, "within 200ms (p99)"},
		"none":        {func(int) bool { return false }, 0, "0 calls were refused"},
		"before":      {func(ms int) bool { return during(ms) || ms < 500 }, 2 * ms, "50 of 100 calls were refused before"},
		"a few after": {func(ms int) bool { return during(ms) || ms == 7500 }, 2 * ms, ""},
		"after":       {func(ms int) bool { return during(ms) || ms >= 7500 }, 2 * ms, "calls were refused later than 2s after"},
	} {
		calls, m := run(func(int) bool { return false }, at(100*ms, test.took, test.refusedAt))
		for i := range 200 { // until 8 s
			later := calls[0]
			later.Began = m.ended.Add(time.Duration(10*i) * ms)
			calls = append(calls, later)
		}
		m.ended = m.ended.Add(2 * time.Second)
		for i := range calls {
			if at := int(calls[i].Began.Sub(m.begun) / ms); test.refusedAt(at) {
				calls[i].Err, calls[i].Took = refused, test.took
			}
		}
		o := Event{Promise: Promise{Refuses: true, Slower: 2}}.judge(calls, m)
		if got := strings.Join(o.Broken, "; "); (test.broken == "") != (got == "") || !strings.Contains(got, test.broken) {
			t.Errorf("%s: %q is broken, want %q", name, got, test.broken)
		}
		if o.Failed != 0 || test.broken == "" && (o.Refused == 0 || o.Before != 100*ms || o.During != 100*ms) {
			t.Errorf("%s: %d failed, %d refused, p99 %s and %s", name, o.Failed, o.Refused, o.Before, o.During)
		}
	}
}

func TestOverloadTellsServicesApart(t *testing.T) {
	t.Parallel()
	_, m := run(func(int) bool { return false }, func(int) time.Duration { return 0 })
	refused := status.Error(codes.ResourceExhausted, "too many")
	call := func(client string, err error) []loadgen.Call {
		return []loadgen.Call{{Client: client, Began: m.happened, Err: err}}
	}
	enough := slices.Repeat(call("grpc", nil), 400) // in 4 s
	for name, test := range map[string]struct {
		usual, planned []loadgen.Call
		broken         string
	}{
		"the service's own":   {call("grpc", refused), enough, ""},
		"another service's":   {call("rest", refused), enough, "another service was refused"},
		"one that failed":     {call("grpc", errors.New("no")), enough, "usual load failed"},
		"too little answered": {nil, enough[:300], "75 calls a second were answered, of 100"},
	} {
		got := strings.Join((&Overload{capacity: 100}).broken(test.usual, test.planned, m), "; ")
		if (test.broken == "") != (got == "") || !strings.Contains(got, test.broken) {
			t.Errorf("%s: %q is broken, want %q", name, got, test.broken)
		}
	}
}

func TestPromiseAsASentence(t *testing.T) {
	t.Parallel()
	for want, p := range map[string]Promise{
		"no failed call": {},
		"under 5 % failed; none that begins later than 5s after":         {Failed: 5, After: 5 * time.Second},
		"under 20 % failed; 1 % of those that begin later than 6s after": {Failed: 20, After: 6 * time.Second, LateFailed: 1},
		"no failed call; p99 within 3 times that of before, or of 20ms":  {Slower: 3, After: time.Second},
		"no failed call; p99 more by 1s, and not much more":              {Later: time.Second},
	} {
		if got := p.String(); got != want {
			t.Errorf("%+v is %q, want %q", p, got, want)
		}
	}
}

func TestEventsCanBeChosen(t *testing.T) {
	t.Parallel()
	for _, e := range Known() {
		if e.Title == "" || e.Kind == "" || e.Do == nil || (e.Want != "") != (e.Kind == Check) {
			t.Errorf("the event %s is not whole", e.Key)
		}
	}
	keys := Keys()
	if sorted := slices.Sorted(slices.Values(keys)); len(slices.Compact(sorted)) != len(keys) {
		t.Errorf("a key is there twice: %q", sorted)
	}
	if events, err := Choose(keys...); err != nil || len(events) != len(Known()) {
		t.Errorf("Choose() = %d events, %v", len(events), err)
	}
	if _, err := Choose("drain", "nothing"); err == nil || !strings.Contains(err.Error(), `"nothing"`) {
		t.Errorf("Choose() of an unknown key: %v", err)
	}
	if len(Short()) < 5 {
		t.Error("the short form has too few events")
	}
}
