package gcp

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// admit applies the rules to an object that is to be created or changed, and
// completes it. c.mu must be held.
func (t *change) admit(rule *rule) error {
	if violations := rule.violations(t.new.Config); len(violations) > 0 {
		return violations[0].err()
	}
	if err := t.requireAPI(t.new.Kind.API(), t.consumer(rule)); err != nil {
		return err
	}
	if existing, ok := t.cloud.objects[t.new.Name]; ok && t.old == nil {
		return alreadyExists(existing.Name)
	}
	if err := t.free(rule); err != nil {
		return err
	}
	if t.old == nil && rule.quota.limit > 0 {
		if err := t.withinQuota(rule.quota); err != nil {
			return err
		}
	}
	t.new.Uses = nil
	return rule.admit(t)
}

// consumer returns the project in which the API has to be enabled ("Enabling an API": the
// consumer project).
func (t *change) consumer(rule *rule) string {
	if rule.consumed {
		return t.at.Project
	}
	return t.new.project()
}

// free refuses the name of an object that was deleted a short while ago.
func (t *change) free(rule *rule) error {
	when, was := t.cloud.deleted[t.new.Name]
	age := t.now().Sub(when)
	if t.old != nil || !was || age < rule.revived || age >= rule.reserved {
		return nil
	}
	if rule.reserved == forever { // it is still there, in a way
		return alreadyExists(t.new.Name)
	}
	return &Error{Code: 409, Reason: "alreadyExists", Message: fmt.Sprintf("Requested entity already exists: the %s %s was deleted, "+
		"and its ID cannot be used again for %d days.", rule.noun, t.new.Name, int(rule.reserved.Hours()/24))}
}

// release applies the rules to objects that are to be deleted together.
// c.mu must be held.
func (t *change) release(all []*Object) error {
	leaving := map[string]bool{}
	for _, o := range all {
		if o.busy {
			return notReady(o.Name)
		}
		leaving[o.Name] = true
	}
	for _, name := range sortedNames(t.cloud.objects) {
		user := t.cloud.objects[name]
		for _, used := range user.Uses {
			if leaving[used] && !leaving[name] {
				return inUse(t.cloud.rule(t.cloud.objects[used].Kind).noun, used, name)
			}
		}
	}
	if check := t.cloud.rule(t.old.Kind).release; check != nil {
		return check(t)
	}
	return nil
}

// inside returns the objects whose names continue a name: they go with it.
func (c *Cloud) inside(name string) []*Object {
	var found []*Object
	for _, other := range sortedNames(c.objects) {
		if strings.HasPrefix(other, name+"/") {
			found = append(found, c.objects[other])
		}
	}
	return found
}

func sortedNames(objects map[string]*Object) []string {
	return slices.Sorted(maps.Keys(objects))
}
