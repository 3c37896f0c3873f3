package fault

import (
	"fmt"
	"slices"
	"strings"
)

// All are the events that need three nodes in three zones, in the order in which
// they are best run: each leaves the sandbox as whole as it found it.
func All() []Event {
	var list []Event
	for kind, events := range [][]Event{planned, unplanned, load, abuse} {
		for _, e := range events {
			e.Kind = Kinds[kind]
			list = append(list, e)
		}
	}
	return list
}

// Short are those that one node is enough for, and that take some three minutes.
func Short() []Event {
	list, _, err := Choose("service-version", "certificate", "service-killed", "envoy-killed", "backend-hung")
	if err != nil {
		panic(err) // the keys are above
	}
	return list
}

// Known are all that can be chosen: those that take too long for every day come last.
func Known() []Event { return append(All(), Soak(SoakTime)) }

// Choose are the events and checks with these keys.
func Choose(keys ...string) (events []Event, checks []Check, err error) {
	for _, key := range keys {
		event := slices.IndexFunc(Known(), func(e Event) bool { return e.Key == key })
		check := slices.IndexFunc(Checks(), func(c Check) bool { return c.Key == key })
		switch {
		case event >= 0:
			events = append(events, Known()[event])
		case check >= 0:
			checks = append(checks, Checks()[check])
		default:
			return nil, nil, fmt.Errorf("there is no event or check %q; there are %s", key, strings.Join(Keys(), ", "))
		}
	}
	return events, checks, nil
}

// Keys are those of all events and checks.
func Keys() []string {
	var keys []string
	for _, e := range Known() {
		keys = append(keys, e.Key)
	}
	for _, c := range Checks() {
		keys = append(keys, c.Key)
	}
	return keys
}
