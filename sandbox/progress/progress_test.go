package progress

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"time"
)

// clock moves one second at each look.
func clock() func() time.Time {
	now := time.Unix(0, 0)
	return func() time.Time { now = now.Add(time.Second); return now }
}

func TestPlainOutput(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := &Printer{out: &out, now: clock()}
	quick := func(context.Context, func(string)) (string, error) { return "", nil }
	ok := func(context.Context, func(string)) (string, error) { return "2 of them", nil }
	if err := p.Run(t.Context(), Stage{Name: "Fetch", Run: ok}, Stage{Name: "Build everything", Run: ok}); err != nil {
		t.Fatal(err)
	}
	p.now = func() time.Time { return time.Unix(0, 0) } // takes no time
	if err := p.Run(t.Context(), Stage{Name: "Link", Run: quick}); err != nil {
		t.Fatal(err)
	}
	p.Table()
	want := `✓ Fetch: 2 of them (1.0 s)
✓ Build everything: 2 of them (1.0 s)
✓ Link (0.0 s)

stage              seconds
Fetch                  1.0
Build everything       1.0
total                  2.0
`
	if got := out.String(); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

func TestFailureStopsAndNamesTheStage(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := &Printer{out: &out, now: clock()}
	broken := errors.New("no space left")
	err := p.Run(t.Context(),
		Stage{Name: "Fetch", Run: func(context.Context, func(string)) (string, error) { return "", broken }},
		Stage{Name: "Build", Run: func(context.Context, func(string)) (string, error) { t.Error("ran after a failure"); return "", nil }})
	if !errors.Is(err, broken) || err.Error() != "Fetch: no space left" {
		t.Errorf("got error %q", err)
	}
	if !strings.Contains(out.String(), "✗ Fetch (1.0 s)") {
		t.Errorf("got output:\n%s", out.String())
	}
}

// TestFailureEndsTheOtherLanes checks that a failed stage ends the stages that run beside it, and
// that its error is the one reported.
func TestFailureEndsTheOtherLanes(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := &Printer{out: &out, now: func() time.Time { return time.Unix(0, 0) }}
	broken := errors.New("no space left")
	begun := make(chan bool)
	err := p.Lanes(t.Context(),
		[]Stage{{Name: "Fetch", Run: func(context.Context, func(string)) (string, error) { <-begun; return "", broken }}},
		[]Stage{{Name: "Build", Run: func(ctx context.Context, _ func(string)) (string, error) {
			close(begun)
			<-ctx.Done()
			return "", ctx.Err()
		}}, {Name: "Link", Run: func(context.Context, func(string)) (string, error) { t.Error("ran after a failure"); return "", nil }}})
	if !errors.Is(err, broken) {
		t.Errorf("got error %v", err)
	}
	if !strings.Contains(out.String(), "✗ Fetch") {
		t.Errorf("got output:\n%s", out.String())
	}
}

func TestLiveLineFitsTheTerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := &Printer{out: &out, live: true, width: 20, now: clock()}
	p.running = []*line{{printer: p, stage: Stage{Name: "Build"}, start: time.Unix(0, 0), detail: "a very long line of a compiler"}}
	p.draw(0)
	text := strings.TrimPrefix(out.String(), "\r\x1b[K")
	if n := len([]rune(text)); n != 19 {
		t.Errorf("drew %d characters on a terminal of 20: %q", n, text)
	}
}

func TestPlainHeartbeat(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	now := time.Unix(0, 0)
	p := &Printer{out: &out, now: func() time.Time { return now }}
	l := &line{printer: p, stage: Stage{Name: "Build"}, start: now, detail: "linking"}
	p.running = []*line{l}
	for _, after := range []time.Duration{0, time.Second, 2 * time.Second, 31 * time.Second, 32 * time.Second} {
		now = time.Unix(0, 0).Add(after)
		p.draw(0)
	}
	if want := "• Build\n  Build: still running after 31s  linking\n"; out.String() != want {
		t.Errorf("got %q, want %q", &out, want)
	}
}

// TestBar checks that the bar counts finished and running stages, and estimates the time left from
// the pace so far.
func TestBar(t *testing.T) {
	t.Parallel()
	now := time.Unix(0, 0)
	p := &Printer{now: func() time.Time { return now }}
	fetch, build := Stage{Name: "Fetch", Expect: time.Minute}, Stage{Name: "Build", Expect: 9 * time.Minute}
	p.Plan(fetch, build)
	p.running = []*line{{printer: p, stage: build, start: now}}
	for _, step := range []struct {
		after, passed time.Duration
		want          string
	}{
		{0, 0, "[----------]  0 %, 10 min left · "},
		{time.Minute, 0, "[#---------] 10 %, 9 min left · "},
		{4 * time.Minute, time.Minute, "[#####-----] 50 %, 4 min left · "},
		{30 * time.Minute, time.Minute, "[#########-] 96 %, 1 min left · "},
		{30 * time.Minute, 10 * time.Minute, ""},
	} {
		now, p.passed = time.Unix(0, 0).Add(step.after), step.passed
		if got := p.bar(); got != step.want {
			t.Errorf("after %s: %q, want %q", step.after, got, step.want)
		}
	}
	if got := (&Printer{}).bar(); got != "" {
		t.Errorf("without a plan there is the bar %q", got)
	}
}
