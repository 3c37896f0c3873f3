package chassis

import (
	"testing"
	"testing/synctest"
	"time"
)

// TestBlame has an attacker send many requests, begun 100 ms ago, beside another caller.
func TestBlame(t *testing.T) {
	t.Parallel()
	const attacker, other = "192.0.2.1", "192.0.2.2"
	for name, test := range map[string]struct {
		attacks, young, slow   int // requests of the attacker, and of the other caller
		pressure               pressure
		blamed, attackerBlamed bool
	}{
		"memory suffices":                       {40, 8, 0, noPressure, false, false},
		"others are young after a pause":        {40, 8, 0, memoryShort, false, true},
		"a few slow uploads are no shield":      {10, 0, few, memoryShort, false, true},
		"many slow uploads are no shield":       {60, 0, 7, memoryShort, false, true},
		"nobody has more than a few":            {few, few, 0, memoryScarce, false, false},
		"others are young while it is scarce":   {40, 8, 0, memoryScarce, false, true},
		"as many of another while it is scarce": {40, 40, 0, memoryScarce, true, true},
		"as many of another, who is not first":  {40, 40, 0, memoryShort, false, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c := callers{promptly: time.Second}
			begun := time.Now().Add(-100 * time.Millisecond)
			add := func(caller string, young, slow int) {
				for range young {
					c.count(caller, begun, 1)
				}
				c.countSlow(caller, slow)
			}
			add(attacker, test.attacks, 0)
			add(other, test.young, test.slow)
			if got := c.blame(attacker, begun, memory{test.pressure, time.Now()}); got != test.attackerBlamed {
				t.Errorf("the attacker is blamed: %t, want %t", got, test.attackerBlamed)
			}
			if got := c.blame(other, begun, memory{test.pressure, time.Now()}); got != test.blamed {
				t.Errorf("the other is blamed: %t, want %t", got, test.blamed)
			}
		})
	}
}

// TestBlameLeavesAFew checks that a caller is blamed until it has only a few requests left. Another
// caller is blamed only once the memory of those requests may be free.
func TestBlameLeavesAFew(t *testing.T) {
	t.Parallel()
	c := callers{promptly: time.Second}
	begun := time.Now().Add(-100 * time.Millisecond)
	for _, caller := range []string{"192.0.2.1", "192.0.2.2"} {
		for range few + 2 {
			c.count(caller, begun, 1)
		}
	}
	for i := range few + 2 {
		if got, want := c.blame("192.0.2.1", begun, memory{memoryShort, time.Now()}), i < 2; got != want {
			t.Errorf("request %d is blamed: %t, want %t", i+1, got, want)
		}
	}
	if c.blame("192.0.2.2", begun, memory{memoryShort, time.Now()}) {
		t.Error("another is blamed while memory is being freed")
	}
	c.round.since = time.Now().Add(-freeing)
	if c.round.last = c.round.since; !c.blame("192.0.2.2", begun, memory{memoryShort, time.Now()}) {
		t.Error("another is not blamed later")
	}
	for range few {
		c.count("192.0.2.1", begun, -1)
	}
	for range few + 1 {
		c.count("192.0.2.2", begun, -1)
	}
	if len(c.arriving) > 0 {
		t.Errorf("without requests, the callers are %v", c.arriving)
	}
}

// TestBlameAfterARound has an attacker's requests cancelled, after which those of another caller are the oldest
// that are left.
func TestBlameAfterARound(t *testing.T) {
	t.Parallel()
	const attacker, other = "192.0.2.1", "192.0.2.2"
	for name, pressure := range map[string]pressure{"short": memoryShort, "scarce": memoryScarce} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				c := callers{promptly: time.Second}
				collected := time.Now()
				time.Sleep(time.Millisecond)
				begun := time.Now().Add(-100 * time.Millisecond)
				for caller, n := range map[string]int{attacker: 40, other: 8} {
					for range n {
						c.count(caller, begun, 1)
					}
				}
				for range 40 - few {
					if !c.blame(attacker, begun, memory{pressure, collected}) {
						t.Fatal("an attacker's request is spared")
					}
				}
				expect := func(when string, want bool) {
					t.Helper()
					if got := c.blame(other, begun, memory{pressure, collected}); got != want {
						t.Errorf("%s: a request of another caller is cancelled: %t, want %t", when, got, want)
					}
				}
				expect("at once", false)
				time.Sleep(2 * freeing)
				expect("before anything is collected", false)
				collected = time.Now()
				expect("when memory is still "+name, true)
			})
		})
	}
}
