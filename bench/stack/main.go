// Command stack measures the costs of deploying the stack: the time of a preview, `make up`
// and `make down`, its growth with the number of services, and the cost of compiling the
// program. It writes docs/benchmark-stack.md with its charts, and the table in README.md.
//
//	go run ./stack                  what needs no empty caches: some 15 minutes on 2 cores
//	go run ./stack -cold            also what a newcomer waits for: an hour
//	go run ./stack -cold -services= measures only that again; the page keeps the rest
//	go run ./stack -rollouts        measures the rollouts again; the page keeps the rest
//	go run ./stack -services 10     measures this row again; the page keeps the others
//	go run ./stack -services 2,4    a try, as there is no row for 4: it only prints the page
//	go run ./stack -page            measures nothing and rewrites the page, as after a change of notes.md
//
// results.json holds the results, row by row. The command works on a copy of the commit that
// is checked out. No other sandbox may run meanwhile. Figures of a busy machine are not
// published.
package main

import (
	"context"
	_ "embed"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"example.com/grpc-edge/bench/stack/stackpage"
	"example.com/grpc-edge/measure/machine"
	"example.com/grpc-edge/measure/report"
)

// whole lists the numbers of services for which the page has a row.
const whole = "2,10,100"

// own is the number of services that the repository has. The page's figures for a single
// stack are measured with them.
const own = 2

//go:embed notes.md
var notes string

func main() {
	cold := flag.Bool("cold", false, "also measure what needs empty caches")
	services := flag.String("services", whole, "how many services to measure with")
	rollouts := flag.Bool("rollouts", false, "measure only rollouts")
	only := flag.Bool("page", false, "measure nothing, write the page from existing results")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *services, *cold, *rollouts, *only); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, services string, cold, rollouts, only bool) error {
	root, err := filepath.Abs("..")
	if err != nil {
		return err
	}
	results, err := stackpage.Read(stackpage.File)
	if err != nil {
		return err
	}
	switch {
	case only:
	case rollouts:
		if err := rolloutsAgain(ctx, root, &results); err != nil {
			return err
		}
	default:
		var numbers []int
		if services != "" || !cold {
			if numbers, err = parse(services); err != nil {
				return err
			}
		}
		if err := measure(ctx, root, &results, numbers, cold); err != nil {
			return err
		}
		if !published(numbers) {
			files, err := results.Files(notes)
			fmt.Println(files[stackpage.Name])
			return err
		}
	}
	if len(results.Scales) == 0 {
		return errors.New("-page: nothing was measured yet, run `make bench-stack`")
	}
	return results.Write(root, notes)
}

// rolloutsAgain measures the rollouts on the machine of the other results.
func rolloutsAgain(ctx context.Context, root string, r *stackpage.Results) error {
	if err := machine.Quiet(); err != nil {
		return err
	}
	if err := sameMachine(r, machine.Describe(runtime.NumCPU())); err != nil {
		return err
	}
	return measureRollouts(ctx, root, r)
}

// measureRollouts measures the rollouts on a copy of their own, which has the repository's
// services only.
func measureRollouts(ctx context.Context, root string, r *stackpage.Results) error {
	return in(ctx, root, false, func(c workCopy) (err error) {
		if r.Rollouts, err = c.rollouts(ctx); err != nil {
			return err
		}
		return report.Save(stackpage.File, r)
	})
}

// sameMachine returns an error if the results are of another machine.
func sameMachine(r *stackpage.Results, here machine.Description) error {
	if !r.Machine.Same(here) {
		return fmt.Errorf("%s is of another machine, %s: measure everything, or remove it", stackpage.File, r.Machine.Model)
	}
	return nil
}

// published reports whether the page has a row for each of the numbers of services.
func published(services []int) bool {
	rows, err := parse(whole)
	return err == nil && !slices.ContainsFunc(services, func(n int) bool { return !slices.Contains(rows, n) })
}

func parse(services string) ([]int, error) {
	var list []int
	for text := range strings.SplitSeq(services, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 2 {
			return nil, fmt.Errorf("-services: %q must be at least 2, the number that the repository has", text)
		}
		list = append(list, n)
	}
	return list, nil
}

// measure runs the measurements. Those with empty caches come first, on a copy of their own.
// It saves each row at once, so that an interrupted run loses only one. The results of empty
// caches name their own machine.
func measure(ctx context.Context, root string, r *stackpage.Results, services []int, cold bool) error {
	save := func() error { return nil }
	here := machine.Describe(runtime.NumCPU())
	if published(services) {
		if err := machine.Quiet(); err != nil {
			return err
		}
		if rows, _ := parse(whole); 0 < len(services) && len(services) < len(rows) {
			if err := sameMachine(r, here); err != nil {
				return err
			}
		}
		save = func() error { return report.Save(stackpage.File, r) }
	} else {
		r.Scales = nil
	}
	if cold {
		if err := in(ctx, root, true, func(c workCopy) error { return c.cold(ctx, r) }); err != nil {
			return err
		}
		if err := save(); err != nil { // which took longest
			return err
		}
	}
	if len(services) == 0 {
		return nil
	}
	r.Date, r.Machine = time.Now(), here
	if err := in(ctx, root, false, func(c workCopy) (err error) {
		if r.Rebuilt, err = c.rebuild(ctx); err != nil {
			return err
		}
		for _, n := range services {
			scale, err := c.scale(ctx, n, func() error {
				if n != own {
					return nil
				}
				return c.alone(ctx, r)
			})
			if err != nil {
				return err
			}
			r.Put(scale)
			if err := save(); err != nil {
				return err
			}
		}
		return nil
	}); err != nil || !published(services) {
		return err
	}
	return measureRollouts(ctx, root, r)
}

// in calls f with a new copy, and removes the copy afterwards, even if f fails.
func in(ctx context.Context, root string, cold bool, f func(workCopy) error) error {
	c, err := newCopy(ctx, root, cold)
	if err != nil {
		return err
	}
	return errors.Join(f(c), c.close())
}
