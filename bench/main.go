// Command bench measures what this repository's edge costs. It makes the same calls to the
// same backends through the edge, through a minimal Envoy, through nginx, HAProxy and
// Traefik, and without a proxy. It writes docs/benchmark.md.
//
//	go run . [-quick] [-only edge,minimal]   compares; a whole run takes some 25 minutes
//	go run . -profile                        measures what each feature of the edge costs; some 10 minutes
//	go run . -page                           measures nothing and rewrites the page, as after a change of notes.md
//
// A whole run, -profile and -page write docs/. Others write .cache/bench/report. benchmark.json beside the
// page holds the results. The command runs in this folder, on loopback. It stops everything
// that it started.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime/debug"
	"slices"
	"strings"
	"syscall"
	"time"

	"example.com/grpc-edge/bench/edgepage"
	"example.com/grpc-edge/measure/machine"
)

// options describes how much to measure, and where to write the report.
type options struct {
	rounds          int
	window, warmup  time.Duration
	only            []string
	out             string
	command         string
	proxyOn, loadOn machine.CPUs
}

var (
	whole = options{rounds: 5, window: 3 * time.Second, warmup: 500 * time.Millisecond, out: "../docs"}
	quick = options{rounds: 2, window: 500 * time.Millisecond, warmup: 200 * time.Millisecond, out: "../.cache/bench/report"}
)

// limit bounds any run.
const limit = 30 * time.Minute

func main() {
	short := flag.Bool("quick", false, "measure for a moment only, to try it")
	only := flag.String("only", "", "which candidates, as direct,direct-tls,edge,edge-everything,edge-few,minimal,nginx,haproxy,traefik,edge-2-last,edge-50-last,edge-200-first,edge-200-last,edge-500-last; all by default")
	profile := flag.Bool("profile", false, "measure what each feature of the edge costs")
	again := flag.Bool("page", false, "write the page from what was measured")
	flag.Parse()
	run := func() error { return start(*short, *only, *profile) }
	if *again {
		run = rewrite
	}
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

// rewrite writes the page of the last whole run again, with the current notes.
func rewrite() error {
	r, err := edgepage.Read(whole.out)
	if err != nil {
		return err
	}
	if len(r.Candidates) == 0 {
		return errors.New("-page: nothing was measured yet, run `make bench-edge`")
	}
	notes, err := os.ReadFile("notes.md")
	if err != nil {
		return fmt.Errorf("reading the notes: %w", err)
	}
	r.Notes = string(notes)
	return r.Write(whole.out)
}

func start(short bool, only string, profile bool) error {
	proxyOn, loadOn, err := machine.Pin(machine.Divide)
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()

	o := whole
	if short {
		o = quick
	}
	if only != "" {
		o.only, o.out = strings.Split(only, ","), quick.out
	}
	if o.out == whole.out {
		if err := machine.Quiet(); err != nil {
			return err
		}
	}
	o.command = "make bench-edge"
	if flags := os.Args[1:]; len(flags) > 0 {
		o.command += fmt.Sprintf(" BENCH_FLAGS='%s'", strings.Join(flags, " "))
	}
	o.proxyOn, o.loadOn = proxyOn, loadOn
	// This process runs clients and backends, which are not measured. So let it collect
	// garbage less often.
	debug.SetGCPercent(400)
	fmt.Printf("Proxies on CPU %s, clients and backends on CPU %s.\n", proxyOn, loadOn)
	earlier, err := edgepage.Read(o.out)
	if err != nil {
		return err
	}
	if profile {
		if earlier.Profile, err = profileEdge(ctx, o); err != nil {
			return err
		}
		fmt.Print(earlier.Profile.Table())
		return earlier.Write(o.out)
	}
	result, err := compare(ctx, o)
	if err != nil {
		return err
	}
	result.Profile = earlier.Profile
	if err := result.Write(o.out); err != nil {
		return err
	}
	fmt.Printf("Written to %s/benchmark.md.\n", o.out)
	for _, missed := range result.Missed() {
		fmt.Println("missed:", missed)
	}
	return nil
}

// chosen returns the candidates that -only names, or all without it.
func (o options) chosen(all []candidate) ([]candidate, error) {
	if o.only == nil {
		return all, nil
	}
	for _, key := range o.only {
		if !slices.ContainsFunc(all, func(c candidate) bool { return c.key == key }) {
			return nil, fmt.Errorf("-only: there is no candidate %q", key)
		}
	}
	return slices.DeleteFunc(all, func(c candidate) bool { return !slices.Contains(o.only, c.key) }), nil
}
