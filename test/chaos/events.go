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
	for kind, events := range [][]Event{planned, unplanned, load, slices.Concat(abuse, harm), slices.Concat(boundaries, deployer)} {
		for _, e := range events {
			e.Kind = Kinds[kind]
			list = append(list, e)
		}
	}
	return list
}

// Short returns events for which one node is enough. They take some four minutes.
func Short() []Event {
	list, err := Choose("service-version", "certificate", "service-killed", "envoy-killed", "backend-hung", "abuse-deadlines")
	if err != nil {
		panic(err) // the keys are above
	}
	return list
}

// Known returns all events that can be chosen. The soak, which takes long, comes last.
func Known() []Event { return append(All(), Soak(SoakTime)) }

// Choose returns the events with these keys. It fails for an unknown key.
func Choose(keys ...string) ([]Event, error) {
	var list []Event
	for _, key := range keys {
		i := slices.IndexFunc(Known(), func(e Event) bool { return e.Key == key })
		if i < 0 {
			return nil, fmt.Errorf("there is no event %q; there are %s", key, strings.Join(Keys(), ", "))
		}
		list = append(list, Known()[i])
	}
	return list, nil
}

// Keys returns the keys of all events.
func Keys() []string {
	var keys []string
	for _, e := range Known() {
		keys = append(keys, e.Key)
	}
	return keys
}
