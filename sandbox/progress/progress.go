// Package progress shows what a long command is doing and for how long: a live
// line on a terminal, plain lines elsewhere, and a table of the stages at the end.
package progress

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/term"
)

// Stage is one step of a command.
type Stage struct {
	Name string
	// Run does the step. What it says to status is shown beside the name while
	// the step runs; what it returns as summary stands in the table.
	Run func(ctx context.Context, status func(string)) (summary string, err error)
}

// Printer shows stages on one stream.
type Printer struct {
	out   io.Writer
	live  bool
	width int
	now   func() time.Time
	done  []finished
}

type finished struct {
	name, summary string
	took          time.Duration
}

const (
	// patience is how long a stage may take before it says that it has begun where
	// there is no live line: what is done at once needs one line only.
	patience = time.Second
	// heartbeat is how often it says then that it still runs.
	heartbeat = 30 * time.Second
	// worthARow is the shortest time that has a row of its own in the table.
	worthARow = 50 * time.Millisecond
)

// New returns a printer for out; it is live when out is a terminal.
func New(out *os.File) *Printer {
	p := &Printer{out: out, now: time.Now}
	if width, _, err := term.GetSize(int(out.Fd())); err == nil && os.Getenv("TERM") != "dumb" {
		p.live, p.width = true, width
	}
	return p
}

// Run runs the stages in order until one fails or ctx ends.
func (p *Printer) Run(ctx context.Context, stages ...Stage) error {
	for _, stage := range stages {
		if err := p.run(ctx, stage); err != nil {
			return err
		}
	}
	return nil
}

func (p *Printer) run(ctx context.Context, stage Stage) error {
	start := p.now()
	line := &line{printer: p, name: stage.Name, start: start}
	stop := line.show()
	summary, err := stage.Run(ctx, line.status)
	stop()
	took := p.now().Sub(start)
	if err != nil {
		fmt.Fprintf(p.out, "✗ %s (%s)\n", stage.Name, seconds(took))
		return fmt.Errorf("%s: %w", stage.Name, err)
	}
	p.done = append(p.done, finished{stage.Name, summary, took})
	if summary != "" {
		summary = ": " + summary
	}
	fmt.Fprintf(p.out, "✓ %s%s (%s)\n", stage.Name, summary, seconds(took))
	return nil
}

// Table prints the finished stages that took any time, with their seconds, and the sum of all.
func (p *Printer) Table() {
	width := len("total")
	var total time.Duration
	for _, f := range p.done {
		width = max(width, len(f.name))
		total += f.took
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

// line is what is shown of a running stage.
type line struct {
	printer *Printer
	name    string
	start   time.Time
	mu      sync.Mutex
	detail  string
}

func (l *line) status(detail string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.detail = strings.TrimSpace(detail)
}

// show begins to show the line and returns what ends that.
func (l *line) show() (stop func()) {
	first, every := patience, heartbeat
	if l.printer.live {
		first, every = 100*time.Millisecond, 100*time.Millisecond
	}
	ticker := time.NewTicker(first)
	quit, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		defer ticker.Stop()
		for frame := 0; ; frame++ {
			select {
			case <-quit:
				if l.printer.live {
					fmt.Fprint(l.printer.out, "\r\x1b[K")
				}
				return
			case <-ticker.C:
				ticker.Reset(every)
				l.draw(frame)
			}
		}
	}()
	return func() { close(quit); <-ended }
}

func (l *line) draw(frame int) {
	l.mu.Lock()
	detail := l.detail
	l.mu.Unlock()
	took := l.printer.now().Sub(l.start).Round(time.Second)
	if !l.printer.live && frame == 0 {
		fmt.Fprintf(l.printer.out, "• %s\n", l.name)
		return
	}
	if !l.printer.live {
		fmt.Fprintf(l.printer.out, "  %s: still running after %s  %s\n", l.name, took, detail)
		return
	}
	text := []rune(fmt.Sprintf("%s %s %s  %s", string([]rune("⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏")[frame%10]), l.name, took, detail))
	if len(text) >= l.printer.width { // one character less, or the cursor wraps
		text = text[:max(0, l.printer.width-1)]
	}
	fmt.Fprintf(l.printer.out, "\r\x1b[K%s", string(text))
}
