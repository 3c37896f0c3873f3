// Package recovery settles what a killed update left in the state of a stack: creations
// whose result Pulumi does not know. `pulumi up` only warns of them. It then creates a
// second object if the name is random, and is refused if it is not.
package recovery

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// Settled holds a state without pending operations.
type Settled struct {
	// State is the input of `pulumi stack import`.
	State []byte
	// Targets lists the URNs of resources to refresh. It is not known whether they exist,
	// or in what state.
	Targets []string
	// Look lists resources that may exist and can't be found by a name.
	Look []Look
}

// Look describes a resource that somebody has to look for.
type Look struct {
	URN string
	// List is the command that lists the existing resources of its kind.
	List string
}

// resource holds the parts of a resource that are read from a state.
type resource struct {
	urn, kind, id string
	inputs        map[string]any
}

func describe(state map[string]any) resource {
	r := resource{}
	r.urn, _ = state["urn"].(string)
	r.kind, _ = state["type"].(string)
	r.id, _ = state["id"].(string)
	r.inputs, _ = state["inputs"].(map[string]any)
	return r
}

// Settle takes what `pulumi stack export` prints. What was being created becomes a
// resource of the state, by the ID that its name gives it; a refresh then completes it,
// or takes it out again if it does not exist. If `pulumi up` has made another one since,
// it is marked as the replaced one, which the next `pulumi up` deletes. Some
// resources only need `pulumi up`: those that it adopts if they exist (enabled APIs, members of
// policies), and those that exist in the state alone (keys and certificates). Place has what inputs may leave out: project
// and region.
func Settle(export []byte, place map[string]string) (Settled, error) {
	var whole map[string]any
	numbers := json.NewDecoder(bytes.NewReader(export))
	numbers.UseNumber()
	if err := numbers.Decode(&whole); err != nil {
		return Settled{}, fmt.Errorf("reading the state: %w", err)
	}
	deployment, _ := whole["deployment"].(map[string]any)
	resources, _ := deployment["resources"].([]any)
	operations, _ := deployment["pending_operations"].([]any)
	s := Settled{}
	for _, item := range operations {
		operation, _ := item.(map[string]any)
		state, _ := operation["resource"].(map[string]any)
		r := describe(state)
		if operation["type"] != "creating" {
			if has(resources, r.urn) {
				s.Targets = append(s.Targets, r.urn)
			}
			continue
		}
		id, err := s.find(r, place)
		if err != nil {
			return Settled{}, fmt.Errorf("%s: %w", r.urn, err)
		}
		if add(&resources, state, id) {
			s.Targets = append(s.Targets, r.urn)
		}
	}
	slices.Sort(s.Targets)
	s.Targets = slices.Compact(s.Targets)
	if deployment != nil {
		deployment["resources"] = resources
		delete(deployment, "pending_operations")
	}
	var err error
	s.State, err = json.Marshal(whole)
	return s, err
}

// find returns the ID of a resource that may have been created, or "" if it can't be known.
func (s *Settled) find(r resource, place map[string]string) (string, error) {
	if list, ok := numbered[r.kind]; ok {
		command, err := fill(list, r.inputs, place)
		s.Look = append(s.Look, Look{URN: r.urn, List: command})
		return "", err
	}
	if strings.HasPrefix(r.kind, "kubernetes:") {
		return nameInCluster(r.inputs)
	}
	return fill(byName[r.kind], r.inputs, place)
}

func has(resources []any, urn string) bool {
	return slices.ContainsFunc(resources, func(item any) bool {
		state, _ := item.(map[string]any)
		return describe(state).urn == urn
	})
}

// add adds a resource that was being created to the resources, unless it is there already.
func add(resources *[]any, state map[string]any, id string) bool {
	if id == "" {
		return false
	}
	for _, item := range *resources {
		other, _ := item.(map[string]any)
		if describe(other).urn != state["urn"] {
			continue
		}
		if describe(other).id == id {
			return false
		}
		state["delete"] = true
	}
	state["id"] = id
	*resources = append(*resources, state)
	return true
}
