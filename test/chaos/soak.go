package chaos

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"example.com/grpc-edge/internal/wait"
	"example.com/grpc-edge/measure/report"
)

// SoakTime is the default duration of a soak.
const SoakTime = 30 * time.Minute

// Soak returns the event that runs the usual load for this long. It reads the memory,
// descriptors and goroutines of all apps. [All] does not include it, but [Choose] finds it.
func Soak(lasting time.Duration) Event {
	return Event{
		Key: "soak", Kind: Load, Title: "The usual load for " + Minutes(lasting),
		Prepare: tellGoroutines, Reverts: true,
		Do: func(ctx context.Context, s *Sandbox) error { return s.soak(ctx, lasting) },
		// Nothing is broken here, so no call may fail.
		Promise: Promise{Flat: true},
	}
}

// Minutes returns a duration as text in minutes.
func Minutes(d time.Duration) string { return fmt.Sprintf("%.3g minutes", d.Minutes()) }

// Series holds an app's usage over time. Each value is the highest of one container.
type Series struct {
	// What is "memory" (in MiB), "descriptors" or "goroutines".
	What, App string
	Every     time.Duration
	Values    []float64
}

const (
	sampleEvery = 10 * time.Second
	// flatShare is the share by which the median of the last third may exceed the median of
	// the first, in addition to flatMargin. The heaps of Go and Envoy grow and shrink.
	flatShare = 0.1
)

var flatMargin = map[string]float64{"memory": 8, "descriptors": 20, "goroutines": 20}

// flat returns an error if the series grows.
func (s Series) flat() error {
	third := len(s.Values) / 3
	if third == 0 {
		return fmt.Errorf("%s of %s: there are %d readings", s.What, s.App, len(s.Values))
	}
	first, last := report.Median(s.Values[:third]), report.Median(s.Values[len(s.Values)-third:])
	if last > first*(1+flatShare)+flatMargin[s.What] {
		return fmt.Errorf("%s of %s went from %g to %g", s.What, s.App, first, last)
	}
	return nil
}

// programs lists the services. All are Go programs.
var programs = Apps[1:]

//go:embed broken/goroutines.go.txt
var goroutines []byte

func tellGoroutines(ctx context.Context, s *Sandbox) error {
	for _, app := range programs {
		if err := s.write("services/"+app+"/goroutines.go", goroutines); err != nil {
			return err
		}
	}
	return s.up(ctx)
}

// soak reads the usage every sampleEvery until the time is over.
func (s *Sandbox) soak(ctx context.Context, lasting time.Duration) error {
	list, err := s.usages(ctx, Apps...)
	if err != nil {
		return err
	}
	begun := time.Now()
	memory, descriptors := make([]Series, len(list)), make([]Series, len(list))
	for next := begun; next.Before(begun.Add(lasting)); next = next.Add(sampleEvery) {
		if err := wait.For(ctx, time.Until(next)); err != nil {
			return err
		}
		for i, u := range list {
			r, err := u.read()
			if err != nil {
				return err
			}
			memory[i] = Series{"memory", u.app, sampleEvery, append(memory[i].Values, float64(r.memory)/1024)}
			descriptors[i] = Series{"descriptors", u.app, sampleEvery, append(descriptors[i].Values, float64(r.descriptors))}
		}
	}
	s.series = slices.Concat(memory, descriptors)
	for _, app := range programs {
		told, err := s.toldGoroutines(ctx, app, begun, len(memory[0].Values))
		if err != nil {
			return err
		}
		s.series = append(s.series, told)
	}
	return s.within(list)
}

// toldGoroutines returns the numbers of goroutines that an app's pods have logged since begun.
func (s *Sandbox) toldGoroutines(ctx context.Context, app string, begun time.Time, readings int) (Series, error) {
	series := Series{"goroutines", app, sampleEvery, make([]float64, readings)}
	pods, err := s.pods(ctx, app)
	if err != nil {
		return series, err
	}
	for _, p := range pods {
		text, err := s.kubectl(ctx, "logs", p.Name, "--since", (time.Since(begun) + sampleEvery).Round(time.Second).String())
		if err != nil {
			return series, err
		}
		for line := range strings.Lines(text) {
			var at int64
			var number float64
			if n, _ := fmt.Sscanf(line, "goroutines %d %f", &at, &number); n != 2 {
				continue
			}
			if i := int(time.Unix(at, 0).Sub(begun) / sampleEvery); i >= 0 && i < readings {
				series.Values[i] = max(series.Values[i], number)
			}
		}
	}
	// The first or the last reading may be missing.
	series.Values = slices.DeleteFunc(series.Values, func(v float64) bool { return v == 0 })
	return series, nil
}

// flat returns an error that joins the errors of all series that grow.
func flat(list []Series) error {
	var errs []error
	for _, series := range list {
		errs = append(errs, series.flat())
	}
	if len(list) == 0 {
		errs = append(errs, errors.New("nothing was read"))
	}
	return errors.Join(errs...)
}
