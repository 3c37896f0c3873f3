package stackpage

import (
	"slices"
	"time"

	"example.com/grpc-edge/measure/machine"
	"example.com/grpc-edge/measure/report"
)

// Results holds all results. They are kept between runs, so that a short run keeps those that
// only a long run measures.
type Results struct {
	Date    time.Time
	Machine machine.Description

	// Empty, Whole and Checked are the times of previews without changes, measured in turns.
	// Empty holds previews of an empty program, Whole those of the sandbox's stack, and Checked
	// those of that stack with the policy pack.
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

	// Rollouts holds rollouts of a service with more and more pods.
	Rollouts []Rollout

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
	// Previews are the times of previews without changes. Uncached is the time of one that
	// builds each image again.
	Previews []time.Duration
	Uncached time.Duration
	// Program and Engine are the peaks of their memory in a preview, in bytes.
	Program, Engine uint64
	// State is the size of the stack's state file in bytes.
	State int64
}

// Rollout holds the results of `make up` after a change in a service with a number of pods.
type Rollout struct {
	Pods int
	Took time.Duration
	// Calls is the number of calls meanwhile, to this service and others.
	Calls, Failed int
}

// Cold holds the times that a newcomer waits once.
type Cold struct {
	Date    time.Time
	Machine machine.Description
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

// Read reads results. If there is no file, they are empty.
func Read(file string) (Results, error) { return report.Load[Results](file) }

// Put adds the results for a number of services, and replaces older ones for that number.
func (r *Results) Put(scale Scale) {
	at, found := slices.BinarySearchFunc(r.Scales, scale.Services, func(s Scale, n int) int { return s.Services - n })
	if found {
		r.Scales[at] = scale
		return
	}
	r.Scales = slices.Insert(r.Scales, at, scale)
}
