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
	if err := p.Run(t.Context(), Stage{"Fetch", ok}, Stage{"Build everything", ok}); err != nil {
		t.Fatal(err)
	}
	p.now = func() time.Time { return time.Unix(0, 0) } // takes no time
	if err := p.Run(t.Context(), Stage{"Link", quick}); err != nil {
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
		Stage{"Fetch", func(context.Context, func(string)) (string, error) { return "", broken }},
		Stage{"Build", func(context.Context, func(string)) (string, error) { t.Error("ran after a failure"); return "", nil }})
	if !errors.Is(err, broken) || err.Error() != "Fetch: no space left" {
		t.Errorf("got error %q", err)
	}
	if !strings.Contains(out.String(), "✗ Fetch (1.0 s)") {
		t.Errorf("got output:\n%s", out.String())
	}
}

func TestLiveLineFitsTheTerminal(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := &Printer{out: &out, live: true, width: 20, now: clock()}
	l := &line{printer: p, name: "Build", start: time.Unix(0, 0), detail: "a very long line of a compiler"}
	l.draw(0)
	text := strings.TrimPrefix(out.String(), "\r\x1b[K")
	if n := len([]rune(text)); n != 19 {
		t.Errorf("drew %d characters on a terminal of 20: %q", n, text)
	}
}

func TestPlainHeartbeat(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	p := &Printer{out: &out, now: func() time.Time { return time.Unix(31, 0) }}
	l := &line{printer: p, name: "Build", start: time.Unix(0, 0), detail: "linking"}
	l.draw(0)
	l.draw(1)
	if want := "• Build\n  Build: still running after 31s  linking\n"; out.String() != want {
		t.Errorf("got %q, want %q", &out, want)
	}
}
