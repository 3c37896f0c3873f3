package gcp

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// admit applies the rules to an object that is to be created or changed, and
// completes it. c.mu must be held.
func (t *Change) admit(resource *Resource) error {
	if violations := resource.violations(t.New.Config); len(violations) > 0 {
		return violations[0].err()
	}
	if err := t.RequireAPI(t.New.Kind.API(), t.consumer(resource)); err != nil {
		return err
	}
	if existing, ok := t.cloud.objects[t.New.Name]; ok && t.Old == nil {
		return AlreadyExists(existing.Name)
	}
	if err := t.free(resource); err != nil {
		return err
	}
	if t.Old == nil && resource.Quota.Limit > 0 {
		if err := t.withinQuota(resource.Quota); err != nil {
			return err
		}
	}
	t.New.Uses = nil
	return resource.Admit(t)
}

// consumer returns the project in which the API has to be enabled ("Enabling an API": the
// consumer project).
func (t *Change) consumer(resource *Resource) string {
	if resource.Consumed {
		return t.at.Project
	}
	return t.New.Project()
}

// revivable returns the object that was deleted under a name, if it can come back. c.mu must be
// held.
func (c *Cloud) revivable(name string) (*Object, bool) {
	o, ok := c.buried[name]
	if !ok || c.now().Sub(c.deleted[name]) >= c.resource(o.Kind).Revived {
		return nil, false
	}
	return o, true
}

// revives reports whether the creation of an object brings a deleted one back.
func (c *Cloud) revives(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.revivable(name)
	return ok
}

// free refuses the name of an object that was deleted a short while ago.
func (t *Change) free(resource *Resource) error {
	when, was := t.cloud.deleted[t.New.Name]
	age := t.Now().Sub(when)
	if t.Old != nil || !was || age < resource.Revived || age >= resource.Reserved {
		return nil
	}
	if resource.Reserved == Forever { // it is still there, in a way
		return AlreadyExists(t.New.Name)
	}
	if resource.Revived > 0 {
		return failedPrecondition("You can't create a %s_id (%s) which has been marked for deletion.", resource.Noun, t.New.ID())
	}
	return &Error{Code: 409, Reason: "alreadyExists", Message: fmt.Sprintf("Requested entity already exists: the %s %s was deleted, "+
		"and its ID cannot be used again for %d days.", resource.Noun, t.New.Name, int(resource.Reserved.Hours()/24))}
}

// release applies the rules to objects that are to be deleted together.
// c.mu must be held.
func (t *Change) release(all []*Object) error {
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
				return InUse(t.cloud.resource(t.cloud.objects[used].Kind).Noun, used, name)
			}
		}
	}
	if check := t.cloud.resource(t.Old.Kind).Release; check != nil {
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
