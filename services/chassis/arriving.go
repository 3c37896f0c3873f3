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
	blamed   string // whose requests are being cancelled, and since when
	since    time.Time
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
	// freeing is the time for which only one caller's requests are cancelled while memory is short.
	// Then they are freed.
	freeing = 200 * time.Millisecond
)

// blame reports whether a young request is to be cancelled, and takes it away. It is one of more than a few
// of its caller. While memory is short, the oldest requests are this caller's, and nobody else's
// requests are being freed. While it is scarce, those of several callers are cancelled at once.
func (c *callers) blame(caller string, begun time.Time, pressure pressure) bool {
	c.mutex.Lock()
	defer c.mutex.Unlock()
	if pressure == noPressure || c.arriving[caller].requests() <= few {
		return false
	}
	now := time.Now()
	own, greatest, mean := c.ages(caller, now.Sub(origin))
	if pressure == memoryScarce {
		if 2*own < mean {
			return false
		}
	} else if c.blamed != caller || now.Sub(c.since) >= freeing {
		if 2*own < greatest || now.Sub(c.since) < freeing {
			return false
		}
		c.blamed, c.since = caller, now
	}
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
