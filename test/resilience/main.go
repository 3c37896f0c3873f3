// Command resilience causes events in a sandbox with three nodes in three zones, counts
// every call meanwhile, and writes docs/resilience.md.
//
//	go run ./resilience                     everything; some 50 minutes on 2 cores
//	go run ./resilience -only soak          30 minutes of the usual load, which is not part of everything
//	go run ./resilience -only scale,drain   these events; the report keeps the others as they were before
//	go run ./resilience -try -only scale    publishes nothing, and so runs on any machine, busy ones too
//	go run ./resilience -page               measures nothing and rewrites the page, as after a change of its text
//
// results.json holds the results, and docs/resilience the timelines. The command works on a
// copy of the checkout. No other sandbox may run meanwhile. The exit code is 1 if a promise
// did not hold.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"

	"example.com/grpc-edge/internal/workcopy"
	"example.com/grpc-edge/measure/machine"
	"example.com/grpc-edge/test/chaos"
	"example.com/grpc-edge/test/resilience/resiliencepage"
)

// threeZones is the stack's config. Each zone has a node, and a pod of each app.
var threeZones = map[string]string{
	"clusterLocation": `""`,
	"nodeZones":       "[us-central1-a, us-central1-b, us-central1-c]",
	"envoyReplicas":   "3",
	"serviceReplicas": "3",
}

// nodeDisk is the size of each node's disk, so that one can be filled. The disks take as much
// of the machine's memory as is written, some 250 MB each.
const nodeDisk = "2g"

// options describes what to do.
type options struct {
	only               string
	soak               time.Duration
	try, page, verbose bool
}

func main() {
	var o options
	flag.StringVar(&o.only, "only", "", "comma-separated keys of events; all by default")
	flag.DurationVar(&o.soak, "soak", chaos.SoakTime, "how long the event soak lasts")
	flag.BoolVar(&o.try, "try", false, "publish nothing; the machine may be busy, or another one")
	flag.BoolVar(&o.page, "page", false, "measure nothing, write the page from existing results")
	flag.BoolVar(&o.verbose, "v", false, "show every command with its output")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, o); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, o options) error {
	root, err := filepath.Abs("..")
	if err != nil {
		return err
	}
	results, err := read(root)
	if err != nil {
		return err
	}
	if o.page && len(results.Events) == 0 {
		return errors.New("-page: nothing was measured yet, run `make resilience`")
	}
	if o.page {
		return publish(root, results)
	}
	events, err := chosen(o.only, o.soak)
	if err != nil {
		return err
	}
	if err := machine.Quiet(); err != nil && !o.try {
		return err
	}
	if results.Machine != here() && !o.try {
		if o.only != "" && results.Machine != "" {
			return fmt.Errorf("%s is of another machine, %s: measure everything, or publish nothing (-try, or TRY=1)", resultsFile, results.Machine)
		}
		results = resiliencepage.Results{Machine: here(), Events: map[string]chaos.Outcome{}}
	}
	file, err := os.Create(filepath.Join(root, ".cache", "resilience.log"))
	if err != nil {
		return err
	}
	defer file.Close()
	log := io.Writer(file)
	if o.verbose {
		log = io.MultiWriter(file, os.Stderr)
	}
	save := func() error { return publish(root, results) }
	if o.try {
		save = func() error { return nil }
	}
	if err := measure(ctx, root, events, results, save, log); err != nil {
		return err
	}
	return broken(results, events)
}

func chosen(only string, soak time.Duration) ([]chaos.Event, error) {
	if only == "" {
		return chaos.All(), nil
	}
	events, err := chaos.Choose(strings.Split(only, ",")...)
	for i, event := range events {
		if event.Key == "soak" {
			events[i] = chaos.Soak(soak)
		}
	}
	return events, err
}

// measure starts a sandbox, runs the events on it, saves the results after each, and always removes
// the sandbox.
func measure(ctx context.Context, root string, events []chaos.Event, results resiliencepage.Results, save func() error, log io.Writer) (err error) {
	dir := filepath.Join(root, ".cache", "resilience")
	if err := workcopy.Make(root, dir); err != nil {
		return err
	}
	defer func() {
		s := chaos.Sandbox{Dir: dir, Log: log}
		err = errors.Join(err, s.Down(context.WithoutCancel(ctx)), os.RemoveAll(dir))
	}()
	var tools []string
	for _, event := range events {
		if event.Tool != "" {
			tools = append(tools, event.Tool)
		}
	}
	if err := os.Setenv("SANDBOX_NODE_DISK", nodeDisk); err != nil {
		return err
	}
	s, err := chaos.Up(ctx, dir, threeZones, tools, log)
	if err != nil {
		return err
	}
	for _, event := range events {
		fmt.Printf("%-70s ", event.Title)
		outcome := event.Run(ctx, s)
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if outcome.Kind != chaos.Check {
			fmt.Printf("%d calls, %d failed; ", outcome.Sent, outcome.Failed)
		}
		fmt.Println(outcome.Markdown())
		for _, kind := range slices.Sorted(maps.Keys(outcome.Failures)) {
			fmt.Printf("  %d × %s\n", outcome.Failures[kind], kind)
		}
		results.Events[event.Key] = outcome
		if err := save(); err != nil {
			return err
		}
	}
	return nil
}
