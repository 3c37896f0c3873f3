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
	for kind, events := range [][]Event{planned, unplanned, abuse} {
		for _, e := range events {
			e.Kind = []string{Planned, Unplanned, Abuse}[kind]
			list = append(list, e)
		}
	}
	return list
}

// Short are those that one node is enough for, and that take some three minutes.
func Short() []Event {
	list, err := Choose("service-version", "certificate", "service-killed", "envoy-killed", "backend-hung")
	if err != nil {
		panic(err) // the keys are above
	}
	return list
}

// Choose are the events with these keys.
func Choose(keys ...string) ([]Event, error) {
	var list []Event
	for _, key := range keys {
		i := slices.IndexFunc(All(), func(e Event) bool { return e.Key == key })
		if i < 0 {
			var known []string
			for _, e := range All() {
				known = append(known, e.Key)
			}
			return nil, fmt.Errorf("there is no event %q; there are %s", key, strings.Join(known, ", "))
		}
		list = append(list, All()[i])
	}
	return list, nil
}
