package chaos

import (
	"fmt"
	"slices"
	"strings"
)

// All returns the events that need three nodes in three zones, in the best order to run
// them. Each leaves the sandbox as healthy as it found it.
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

// Short returns events for which one node is enough. They take some three minutes.
func Short() []Event {
	list, _, err := Choose("service-version", "certificate", "service-killed", "envoy-killed", "backend-hung")
	if err != nil {
		panic(err) // the keys are above
	}
	return list
}

// Known returns all events that can be chosen. The soak, which takes long, comes last.
func Known() []Event { return append(All(), Soak(SoakTime)) }

// Choose returns the events and checks with these keys. It fails for an unknown key.
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

// Keys returns the keys of all events and checks.
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
