package chassis

import (
	"runtime"
	"runtime/debug"
	"testing"
	"time"
)

// TestPressure fills the heap with garbage, and then with what is in use. Nothing else may run meanwhile.
func TestPressure(t *testing.T) {
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	const much = 32 << 20
	runtime.GC()
	l := &heapLimits{short: heap() + much, scarce: heap() + 4*much}
	expect := func(what string, want pressure) {
		t.Helper()
		if got := l.read().pressure; got != want {
			t.Errorf("%s: a heap of %d bytes is pressure %d, want %d", what, heap(), got, want)
		}
	}
	waste := func() { runtime.KeepAlive(make([]byte, 2*much)) }

	expect("nothing", noPressure)
	waste()
	expect("garbage", noPressure)
	l.took = time.Hour
	waste()
	expect("garbage in the pause after a collection", memoryShort)
	l.took = 0
	used := make([]byte, 2*much)
	expect("twice as much", memoryShort)
	more := make([]byte, 4*much)
	expect("six times as much", memoryScarce)
	runtime.KeepAlive(used)
	runtime.KeepAlive(more)
}
