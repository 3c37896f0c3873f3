package fault

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
)

// SoakTime is how long a soak lasts by default.
const SoakTime = 30 * time.Minute

// Soak is the usual load for so long, with what everything uses of memory, descriptors
// and goroutines looked at. It is not among [All], but can be chosen.
func Soak(lasting time.Duration) Event {
	return Event{
		Key: "soak", Kind: Load, Title: "The usual load for " + Minutes(lasting),
		Prepare: tellGoroutines, Reverts: true,
		Do: func(ctx context.Context, s *Sandbox) (func() error, error) { return nil, s.soak(ctx, lasting) },
		// Nothing happens, and so nothing may fail.
		Promise: Promise{Flat: true},
	}
}

// Minutes says a time as people do.
func Minutes(d time.Duration) string { return fmt.Sprintf("%.3g minutes", d.Minutes()) }

// Series is what containers of an app use over time: the most that one of them does.
type Series struct {
	// What is memory in MiB, descriptors or goroutines.
	What, App string
	Every     time.Duration
	Values    []float64
}

const (
	sampleEvery = 10 * time.Second
	// flatShare is by how much the median of the last third may be above that of the
	// first, beside a few of each kind: Go's and Envoy's heaps breathe.
	flatShare = 0.1
)

var flatMargin = map[string]float64{"memory": 8, "descriptors": 20, "goroutines": 20}

// flat says why a series is not.
func (s Series) flat() error {
	third := len(s.Values) / 3
	if third == 0 {
		return fmt.Errorf("%s of %s: there are %d readings", s.What, s.App, len(s.Values))
	}
	first, last := median(s.Values[:third]), median(s.Values[len(s.Values)-third:])
	if last > first*(1+flatShare)+flatMargin[s.What] {
		return fmt.Errorf("%s of %s went from %g to %g", s.What, s.App, first, last)
	}
	return nil
}

func median(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	return sorted[len(sorted)/2]
}

// programs are the services, which are of Go.
var programs = []string{"echo", "reverse", "directory"}

//go:embed faulty/goroutines.go.txt
var goroutines []byte

func tellGoroutines(ctx context.Context, s *Sandbox) error {
	for _, app := range programs {
		if err := s.write("services/"+app+"/goroutines.go", goroutines); err != nil {
			return err
		}
	}
	return s.up(ctx)
}

// soak reads what is used until the time is over.
func (s *Sandbox) soak(ctx context.Context, lasting time.Duration) error {
	list, err := s.usages(ctx, append([]string{"envoy"}, programs...)...)
	if err != nil {
		return err
	}
	begun := time.Now()
	memory, descriptors := make([]Series, len(list)), make([]Series, len(list))
	for next := begun; next.Before(begun.Add(lasting)); next = next.Add(sampleEvery) {
		if err := sleep(ctx, time.Until(next)); err != nil {
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

// toldGoroutines are those that the pods of an app have logged since begun.
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
	// The last reading may not be told yet, and a first one not be whole.
	series.Values = slices.DeleteFunc(series.Values, func(v float64) bool { return v == 0 })
	return series, nil
}

// flat joins what is not.
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
