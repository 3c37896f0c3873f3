package chassis

import (
	"runtime"
	"runtime/metrics"
	"sync"
	"time"
)

// pressure says how short memory is.
type pressure int

const (
	noPressure pressure = iota
	memoryShort
	memoryScarce
)

// memory says how short memory is, and when the last collection of garbage began.
type memory struct {
	pressure
	collected time.Time
}

const (
	// shortAt and scarceAt are the percentages of the memory limit from which on memory is short, and
	// scarce.
	shortAt  = 60
	scarceAt = 80
	// idle is the ratio of the pause after a collection to the collection, while memory is short.
	idle = 10
)

// heapLimits holds the sizes of the heap from which on memory is short and scarce, in bytes.
type heapLimits struct {
	short, scarce uint64

	mutex     sync.Mutex
	collected time.Time // when the last collection began, and how long it took
	took      time.Duration
}

// newHeapLimits returns the limits of a program that may use this much memory, in bytes.
func newHeapLimits(memory int64) *heapLimits {
	percent := uint64(memory) / 100
	return &heapLimits{short: percent * shortAt, scarce: percent * scarceAt}
}

// read returns how short memory is. It collects garbage first, for at most a tenth of the time, or half
// of it while memory would be scarce. In the pause after a collection, garbage counts: requests may
// arrive faster than it is collected.
func (l *heapLimits) read() memory {
	used := heap()
	if used <= l.short {
		return memory{}
	}
	l.mutex.Lock()
	defer l.mutex.Unlock()
	pause := (idle + 1) * l.took
	if used > l.scarce {
		pause = 2 * l.took
	}
	if begun := time.Now(); begun.Sub(l.collected) > pause {
		runtime.GC()
		l.collected, l.took = begun, time.Since(begun)
	}
	switch used = heap(); {
	case used > l.scarce:
		return memory{memoryScarce, l.collected}
	case used > l.short:
		return memory{memoryShort, l.collected}
	}
	return memory{}
}

// heap returns the bytes in the heap, whether they are in use or not collected yet.
func heap() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}
