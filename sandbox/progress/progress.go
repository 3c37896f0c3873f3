// Package progress shows what a long command is doing and for how long: a live
// line on a terminal, plain lines elsewhere, and a table of the stages at the end. For
// stages with a known duration, it also shows progress and the time left.
package progress

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// Stage is one step of a command.
type Stage struct {
	Name string
	// Run does the step. The text that it passes to status is shown beside the name while the
	// step runs. The summary is shown in the table.
	Run func(ctx context.Context, status func(string)) (summary string, err error)
	// Expect is the approximate duration on this machine; 0 if it is negligible.
	Expect time.Duration
}

// Printer shows stages on one stream.
type Printer struct {
	live  bool
	width int
	now   func() time.Time

	mu      sync.Mutex // guards what is below, and what is written
	out     io.Writer
	running []*line
	done    []finished
	begin   time.Time
	total   time.Duration // of all planned stages
	passed  time.Duration // of those that are finished
}

type finished struct {
	name, summary string
	took          time.Duration
}

const (
	// patience is the time after which a stage reports that it has begun, where there is no live
	// line. A quick stage needs only one line.
	patience = time.Second
	// heartbeat is the interval at which it then reports that it still runs.
	heartbeat = 30 * time.Second
	// frame is the interval at which the live line is drawn.
	frame = 100 * time.Millisecond
	// worthARow is the shortest time that gets its own row in the table.
	worthARow = 50 * time.Millisecond
	// worthABar is the shortest plan that gets a progress bar.
	worthABar = 30 * time.Second
	// barWidth is the width of the bar, in characters.
	barWidth = 10
)

// New returns a printer for out; it is live when out is a terminal, and no debug messages are
// logged, which would tear the live line.
func New(out *os.File) *Printer {
	p := &Printer{out: out, now: time.Now}
	debug := slog.Default().Enabled(context.Background(), slog.LevelDebug)
	// A serial console does not know its width, which is then 0.
	if width, _, err := term.GetSize(int(out.Fd())); err == nil && width > 0 && os.Getenv("TERM") != "dumb" && !debug {
		p.live, p.width = true, width
	}
	return p
}

// Plan takes the stages that will run, so that the progress bar can be shown.
func (p *Printer) Plan(stages ...Stage) {
	p.begin = p.now()
	for _, stage := range stages {
		p.total += stage.Expect
	}
}

// Run runs the stages in order until one fails or ctx ends.
func (p *Printer) Run(ctx context.Context, stages ...Stage) error { return p.Lanes(ctx, stages) }

// Lanes runs several lists of stages at once, each in its order. When a stage fails, it
// ends the others, and returns the first error.
func (p *Printer) Lanes(ctx context.Context, lanes ...[]Stage) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	stop := p.draws()
	var group sync.WaitGroup
	for _, lane := range lanes {
		group.Go(func() {
			for _, stage := range lane {
				if context.Cause(ctx) != nil {
					return
				}
				if err := p.run(ctx, stage); err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	group.Wait()
	stop()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	return nil
}

func (p *Printer) run(ctx context.Context, stage Stage) error {
	l := &line{printer: p, stage: stage, start: p.now()}
	p.mu.Lock()
	p.running = append(p.running, l)
	p.mu.Unlock()
	summary, err := stage.Run(ctx, l.status)

	p.mu.Lock()
	defer p.mu.Unlock()
	p.running = slices.DeleteFunc(p.running, func(other *line) bool { return other == l })
	p.clear()
	took := p.now().Sub(l.start)
	if err != nil {
		if !errors.Is(err, context.Canceled) || len(p.running) == 0 { // else another stage failed, and this was ended
			fmt.Fprintf(p.out, "✗ %s (%s)\n", stage.Name, seconds(took))
		}
		return fmt.Errorf("%s: %w", stage.Name, err)
	}
	p.passed += stage.Expect
	p.done = append(p.done, finished{stage.Name, summary, took})
	if summary != "" {
		summary = ": " + summary
	}
	fmt.Fprintf(p.out, "✓ %s%s (%s)\n", stage.Name, summary, seconds(took))
	return nil
}

// Table prints the finished stages that took any time, with their seconds, and the time from
// the first to the last, which is less than their sum where some ran at once.
func (p *Printer) Table() {
	width := len("total")
	var total time.Duration
	for _, f := range p.done {
		width = max(width, len(f.name))
		total += f.took
	}
	if !p.begin.IsZero() {
		total = p.now().Sub(p.begin)
	}
	fmt.Fprintf(p.out, "\n%-*s  %8s\n", width, "stage", "seconds")
	for _, f := range p.done {
		if f.took >= worthARow {
			fmt.Fprintf(p.out, "%-*s  %8.1f\n", width, f.name, f.took.Seconds())
		}
	}
	fmt.Fprintf(p.out, "%-*s  %8.1f\n", width, "total", total.Seconds())
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }

// line holds what is shown of a running stage.
type line struct {
	printer *Printer
	stage   Stage
	start   time.Time
	detail  string
	told    time.Time // when it was last told that it runs; zero if never
}

func (l *line) status(detail string) {
	l.printer.mu.Lock()
	defer l.printer.mu.Unlock()
	l.detail = strings.TrimSpace(detail)
}

// draws starts to show what runs, and returns the function that stops it.
func (p *Printer) draws() (stop func()) {
	ticker := time.NewTicker(frame)
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		defer ticker.Stop()
		for number := 0; ; number++ {
			select {
			case <-quit:
				return
			case <-ticker.C:
				p.mu.Lock()
				p.draw(number)
				p.mu.Unlock()
			}
		}
	}()
	return func() {
		close(quit)
		<-ended
		p.clear()
	}
}

func (p *Printer) clear() {
	if p.live {
		fmt.Fprint(p.out, "\r\x1b[K")
	}
}

// draw shows the running stages: on one line, or without a terminal on a line each, which is
// seldom repeated.
func (p *Printer) draw(number int) {
	if len(p.running) == 0 {
		return
	}
	if !p.live {
		for _, l := range p.running {
			l.tell()
		}
		return
	}
	var names []string
	for _, l := range p.running {
		names = append(names, l.stage.Name)
	}
	first := p.running[0]
	took := p.now().Sub(first.start).Round(time.Second)
	text := []rune(fmt.Sprintf("%s %s%s %s  %s", string([]rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")[number%10]), p.bar(), strings.Join(names, ", "), took, first.detail))
	if len(text) >= p.width { // one character less, or the cursor wraps
		text = text[:max(0, p.width-1)]
	}
	fmt.Fprintf(p.out, "\r\x1b[K%s", string(text))
}

// tell prints that the stage has begun, once it lasts, and now and then that it still runs.
func (l *line) tell() {
	p, now := l.printer, l.printer.now()
	switch {
	case l.told.IsZero() && now.Sub(l.start) >= patience:
		fmt.Fprintf(p.out, "• %s\n", l.stage.Name)
	case !l.told.IsZero() && now.Sub(l.told) >= heartbeat:
		fmt.Fprintf(p.out, "  %s%s: still running after %s  %s\n", p.bar(), l.stage.Name, now.Sub(l.start).Round(time.Second), l.detail)
	default:
		return
	}
	l.told = now
}

// bar shows which part of the plan is done and how long the rest takes: at the pace up to
// now, or as expected until there is one. It is empty once only stages without an expected duration run.
func (p *Printer) bar() string {
	if p.total < worthABar || p.passed == p.total {
		return ""
	}
	worked := p.passed
	for _, l := range p.running {
		// A stage that takes longer than expected never shows as done before it ends.
		worked += min(p.now().Sub(l.start), l.stage.Expect*95/100)
	}
	part := float64(worked) / float64(p.total)
	left := p.total - worked
	if elapsed := p.now().Sub(p.begin); part > 0.05 {
		left = time.Duration(float64(elapsed) * (1 - part) / part)
	}
	full := int(part * barWidth)
	return fmt.Sprintf("[%s%s] %2.0f %%, %s left · ", strings.Repeat("#", full), strings.Repeat("-", barWidth-full), 100*part, About(left))
}

// About returns a duration as precisely as a forecast can be: in minutes, or in seconds
// where it is less than one.
func About(d time.Duration) string {
	if d < time.Minute {
		return fmt.Sprintf("%.0f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f min", d.Round(time.Minute).Minutes())
}
