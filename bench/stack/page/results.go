// Package page writes docs/benchmark-stack.md, its charts, and the table in README.md from
// the results for the stack.
package page

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"time"

	"example.com/grpc-edge/bench/machine"
)

// Results holds all results. They are kept between runs, so that a short run keeps those that
// only a long run measures.
type Results struct {
	Date    time.Time
	Machine machine.Description

	// Empty, Whole and Checked are the times of previews without changes, measured in turns.
	// Empty is of a program that does nothing, Whole of the sandbox's stack, and Checked of
	// that with the policy pack.
	Empty, Whole, Checked []time.Duration

	// Again is the time of `make up` with nothing to do.
	Again time.Duration
	// Memory is the memory of the running sandbox, in bytes.
	Memory uint64
	Images []Size
	// Rebuilt is the build of infra after a change in it.
	Rebuilt Build

	// Scales holds stacks with more and more services. The first is the repository's own.
	Scales []Scale

	// Cold holds the results with empty caches. It is nil if they were never measured.
	Cold *Cold
}

// Size is the compressed size of an image in bytes.
type Size struct {
	Name  string
	Bytes int64
}

// Build is the result of one `go build`. Memory is its peak in bytes, with that of the
// processes that it started.
type Build struct {
	Took   time.Duration
	Memory uint64
}

// Scale holds the results of a new stack with a number of services.
type Scale struct {
	Services, Resources int
	// Up and Down are the times of `make up` and `make down`.
	Up, Down time.Duration
	// Previews are the times of previews without changes. Anew is the time of one that
	// builds each image again.
	Previews []time.Duration
	Anew     time.Duration
	// Program and Engine are the peaks of their memory in a preview, in bytes.
	Program, Engine uint64
	// State is the size of the stack's state file in bytes.
	State int64
}

// Cold holds the times that a newcomer waits once.
type Cold struct {
	Date time.Time
	// Up is the time of the first `make up`, which fetches and compiles everything.
	Up time.Duration
	// Builds holds builds of infra with an empty build cache.
	Builds []Variant
}

// Variant is a build with certain settings. The first variant has the settings that the
// repository uses. Short names the variant in the chart.
type Variant struct {
	Title, Short string
	Build
}

// Preview holds the times of one kind of preview.
type Preview struct {
	Title, Short string
	Times        []time.Duration
}

// Previews returns the kinds that were measured in turns. The first is the engine's floor.
func (r Results) Previews() []Preview {
	return []Preview{
		{"a program that does nothing: the engine's floor", "empty program", r.Empty},
		{"the sandbox's stack", "this stack", r.Whole},
		{"that, with the policy pack, which is `make preview`", "with the policy pack", r.Checked},
	}
}

// Read reads results. If there is no file, they are empty.
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

// Save writes the results to a file, from which Read reads them.
func (r Results) Save(file string) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return err
	}
	return os.WriteFile(file, append(text, '\n'), 0o644)
}

// median returns the median of the times. Without times it is 0.
func median(times []time.Duration) time.Duration {
	if len(times) == 0 {
		return 0
	}
	return slices.Sorted(slices.Values(times))[len(times)/2]
}

// Put adds the results for a number of services, and replaces older ones for that number.
func (r *Results) Put(scale Scale) {
	at, found := slices.BinarySearchFunc(r.Scales, scale.Services, func(s Scale, n int) int { return s.Services - n })
	if found {
		r.Scales[at] = scale
		return
	}
	r.Scales = slices.Insert(r.Scales, at, scale)
}
