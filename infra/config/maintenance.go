package config

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// Maintenance describes when GKE may upgrade the cluster by itself.
type Maintenance struct {
	// Start and End bound the first window. Recurrence repeats it.
	Start, End time.Time
	// Recurrence is an RRULE (RFC 5545, section 3.8.5.3).
	Recurrence string
	Exclusions []Exclusion
}

// Exclusion is a period in which GKE does not do some upgrades.
type Exclusion struct {
	Name       string
	Start, End time.Time
	// Scope names the upgrades that are excluded, as GKE spells it.
	Scope string
}

const (
	windowKey     = "grpc-edge:maintenanceWindow"
	exclusionsKey = "grpc-edge:maintenanceExclusions"
)

// recurrence matches the subset of RFC 5545 that GKE accepts ("Maintenance windows and
// exclusions").
var recurrence = regexp.MustCompile(`^FREQ=(DAILY|WEEKLY|MONTHLY)(;[A-Z]+=[A-Z0-9,+-]+)*$`)

// exclusionScopes lists the scopes that GKE knows ("Maintenance windows and exclusions",
// scope of maintenance to exclude). A cluster may exclude all upgrades for 90 days at most,
// since GKE 1.35 or with an end of support. Before, the limit was 30 days; the program uses
// it for all.
var exclusionScopes = []string{"NO_UPGRADES", "NO_MINOR_UPGRADES", "NO_MINOR_OR_NODE_UPGRADES"}

const longestWithoutUpgrades = 30 * 24 * time.Hour

func (r *reader) maintenance() Maintenance {
	var window struct {
		Start      time.Time `json:"start"`
		Hours      int       `json:"hours"`
		Recurrence string    `json:"recurrence"`
	}
	r.object(windowKey, &window)
	value, _ := r.get(windowKey)
	if window.Start.IsZero() || window.Hours < 4 || window.Hours > 24 || !recurrence.MatchString(window.Recurrence) {
		r.refuse(windowKey, value, `start (a time such as "2026-01-03T02:00:00Z"), hours (4 to 24) and recurrence (such as FREQ=WEEKLY;BYDAY=SA,SU)`)
	}
	start := window.Start.UTC()
	return Maintenance{
		Start: start, End: start.Add(time.Duration(window.Hours) * time.Hour), Recurrence: window.Recurrence,
		Exclusions: r.exclusions(),
	}
}

func (r *reader) exclusions() []Exclusion {
	type item struct {
		Name  string    `json:"name"`
		Start time.Time `json:"start"`
		End   time.Time `json:"end"`
		Scope string    `json:"scope"`
	}
	var exclusions []Exclusion
	names := map[string]bool{}
	for i, e := range objects[item](r, exclusionsKey) {
		switch {
		case !label.MatchString(e.Name) || names[e.Name]:
			r.report(exclusionsKey, "[%d].name is %q; it must be a name in lower case that no other has", i, e.Name)
		case e.Start.IsZero() || !e.Start.Before(e.End):
			r.report(exclusionsKey, `[%d] is from %q to %q; start must be before end, both such as "2026-12-20T00:00:00Z"`,
				i, e.Start.Format(time.RFC3339), e.End.Format(time.RFC3339))
		case !slices.Contains(exclusionScopes, e.Scope):
			r.report(exclusionsKey, "[%d].scope is %q; it must be one of %s", i, e.Scope, strings.Join(exclusionScopes, ", "))
		case e.Scope == exclusionScopes[0] && e.End.Sub(e.Start) > longestWithoutUpgrades:
			r.report(exclusionsKey, "[%d] is longer than 30 days, which is the most with scope %s", i, e.Scope)
		}
		names[e.Name] = true
		exclusions = append(exclusions, Exclusion{Name: e.Name, Start: e.Start.UTC(), End: e.End.UTC(), Scope: e.Scope})
	}
	return exclusions
}
