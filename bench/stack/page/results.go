// Package page turns what was measured of the stack into docs/benchmark-stack.md, its
// charts, and the table in README.md.
package page

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"example.com/grpc-edge/bench/machine"
)

// Results are kept between runs, so that a short one leaves what only a long one measures.
type Results struct {
	Date    time.Time
	Machine machine.Description

	// Empty, Whole and Checked are previews that find no change, timed in turns: of a
	// program that does nothing, of the sandbox's stack, and of that with the policy pack.
	Empty, Whole, Checked []time.Duration

	// Again is `make up` with nothing to do.
	Again time.Duration
	// Memory is what the running sandbox takes, in bytes.
	Memory uint64
	Images []Size
	// Rebuilt is infra built again after a change in it.
	Rebuilt Build

	// Scales are stacks of more and more services; the first is the repository's own.
	Scales []Scale

	// Cold is what takes empty caches, and nil if that was never measured.
	Cold *Cold
}

// Size is that of an image, compressed, in bytes.
type Size struct {
	Name  string
	Bytes int64
}

// Build is one `go build`. Memory is the most that it took at any time, in bytes, with
// the processes that it started.
type Build struct {
	Took   time.Duration
	Memory uint64
}

// Scale is a stack with so many services, brought up from nothing and taken down.
type Scale struct {
	Services, Resources int
	// Up and Down are `make up` and `make down`.
	Up, Down time.Duration
	// Previews find no change. Anew builds each image although nothing has changed.
	Previews []time.Duration
	Anew     time.Duration
	// Program and Engine are the most memory that either took in a preview, in bytes.
	Program, Engine uint64
	// State is the size of the file that the stack's state is in, in bytes.
	State int64
}

// Cold is what a newcomer waits for once.
type Cold struct {
	Date time.Time
	// Up is the first `make up`: everything is fetched and compiled.
	Up time.Duration
	// Builds are of infra with an empty build cache.
	Builds []Variant
}

// Variant is a build with other settings; the first is the one that is used. Short names it
// in the chart.
type Variant struct {
	Title, Short string
	Build
}

// Preview is one kind of preview.
type Preview struct {
	Title, Short string
	Times        []time.Duration
}

// Previews are the kinds that were timed in turns; the first is the engine's floor.
func (r Results) Previews() []Preview {
	return []Preview{
		{"a program that does nothing: the engine's floor", "empty program", r.Empty},
		{"the sandbox's stack", "this stack", r.Whole},
		{"that, with the policy pack, which is `make preview`", "with the policy pack", r.Checked},
	}
}

// Read reads results; a file that is not there has none.
func Read(file string) (Results, error) {
	var r Results
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	if err := json.Unmarshal(text, &r); err != nil {
		return r, fmt.Errorf("reading %s: %w", file, err)
	}
	return r, nil
}

// Save writes results for Read.
func (r Results) Save(file string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// median is 0 of nothing.
func median(times []time.Duration) time.Duration {
	if len(times) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(times))[len(times)/2]
}

// Put adds what was measured with so many services, in the place of what was before.
func (r *Results) Put(scale Scale) {
	at, found := slices.BinarySearchFunc(r.Scales, scale.Services, func(s Scale, n int) int { return s.Services - n })
	if found {
		r.Scales[at] = scale
		return
	}
	r.Scales = slices.Insert(r.Scales, at, scale)
}
