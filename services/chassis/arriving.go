package chassis

import (
	"sync"
	"time"
)

// callers counts the requests that arrive by caller, and decides whose are cancelled while memory is short.
type callers struct {
	// promptly is the time in which most requests arrive. Others are slow.
	promptly time.Duration

	mutex    sync.Mutex
	arriving map[string]arriving
	round    round
}

// round describes whose requests have been cancelled for one reading of the memory.
type round struct {
	since, last time.Time // of the first and the last cancelled request
	callers     map[string]bool
	mean        time.Duration // of the callers' ages when it began
}

// arriving holds the requests of a caller that are incomplete at the first look: the young ones, with
// the sum of the times at which they began, since origin, and the slow ones.
type arriving struct {
	young, slow int
	begun       time.Duration
}

var origin = time.Now()

func (a arriving) requests() int { return a.young + a.slow }

// age returns the time for which all of them have been arriving. A slow one counts as if it had just
// become slow: others limit these, and an upload on a slow line is no attack.
func (a arriving) age(now, promptly time.Duration) time.Duration {
	return time.Duration(a.young)*now - a.begun + time.Duration(a.slow)*promptly
}

const (
	// few is the number of requests that may arrive from one caller while memory is short.
	few = 4
	// freeing is the length of a round. It is also the time that the last requests of a round take to
	// end, so that they can be collected.
	freeing = 200 * time.Millisecond
)

// blame reports whether a young request is to be cancelled, and takes it away. It is one of more than a few
// of its caller.
//
// While memory is short, a round is about one caller, whose requests are among the oldest. While it is
// scarce, a round is also about callers whose requests are at least half as old as the average. A caller of
// the last round may begin another round. Any other caller begins one only if garbage was collected since:
// the requests cancelled so far may be enough.
func (c *callers) blame(caller string, begun time.Time, m memory) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if m.pressure == noPressure || c.arriving[caller].requests() <= few {
		return false
	}
	now := time.Now()
	own, greatest, mean := c.ages(caller, now.Sub(origin))
	scarce := m.pressure == memoryScarce
	if now.Sub(c.round.since) < freeing {
		if joins := scarce && 2*own >= c.round.mean; !c.round.callers[caller] && !joins {
			return false
		}
	} else {
		known := c.round.callers[caller] || m.collected.Sub(c.round.last) >= freeing
		oldest := 2*own >= greatest || scarce && 2*own >= mean
		if !known || !oldest {
			return false
		}
		c.round = round{since: now, callers: map[string]bool{}, mean: mean}
	}
	c.round.last, c.round.callers[caller] = now, true
	c.add(caller, begun, -1)
	return true
}

// ages returns the age of a caller's requests, and the greatest and the mean of all callers that have
// more than a few. After a pause of the pod anybody has more, but they are young.
func (c *callers) ages(caller string, now time.Duration) (own, greatest, mean time.Duration) {
	callers := 0
	for name, requests := range c.arriving {
		if requests.requests() <= few {
			continue
		}
		age := requests.age(now, c.promptly)
		if name == caller {
			own = age
		}
		greatest = max(greatest, age)
		mean += age
		callers++
	}
	return own, greatest, mean / time.Duration(max(callers, 1))
}

// count adds a young request that began at this time, or takes it away.
func (c *callers) count(caller string, begun time.Time, n int) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	c.add(caller, begun, n)
}

// countSlow adds a slow request, or takes it away.
func (c *callers) countSlow(caller string, n int) {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	own := c.arriving[caller]
	own.slow += n
	c.set(caller, own)
}

// add is count for callers that hold the mutex.
func (c *callers) add(caller string, begun time.Time, n int) {
	own := c.arriving[caller]
	own.young += n
	own.begun += time.Duration(n) * begun.Sub(origin)
	c.set(caller, own)
}

func (c *callers) set(caller string, own arriving) {
	if own.requests() == 0 {
		delete(c.arriving, caller)
		return
	}
	if c.arriving == nil {
		c.arriving = map[string]arriving{}
	}
	c.arriving[caller] = own
}
