package gcp

import (
	"slices"
	"strings"
	"time"
)

// View shows the objects of a cloud while nothing else changes them.
type View struct{ cloud *Cloud }

// View returns a view, which is valid until done is called.
func (c *Cloud) View() (v View, done func()) {
	c.mu.Lock()
	return View{c}, c.mu.Unlock
}

// Cloud returns the cloud, for what is done without the lock.
func (v View) Cloud() *Cloud { return v.cloud }

// Now returns the time by the clock of the cloud.
func (v View) Now() time.Time { return v.cloud.now() }

// Object returns the object with this name.
func (v View) Object(name string) (*Object, bool) {
	o, ok := v.cloud.objects[name]
	return o, ok
}

// All returns the objects of a kind, or of all kinds if it is empty, whose name has a prefix, in
// the order of their names.
func (v View) All(kind Kind, prefix string) []*Object {
	var found []*Object
	for _, o := range v.cloud.objects {
		if (kind == "" || o.Kind == kind) && strings.HasPrefix(o.Name, prefix) {
			found = append(found, o)
		}
	}
	slices.SortFunc(found, func(a, b *Object) int { return strings.Compare(a.Name, b.Name) })
	return found
}

// Users returns the names of the objects that use another one.
func (v View) Users(name string) []string {
	var names []string
	for _, other := range v.All("", "") {
		if slices.Contains(other.Uses, name) {
			names = append(names, other.Name)
		}
	}
	return names
}

// existing returns an object that can be changed now.
func (v View) existing(name string) (*Object, error) {
	o, ok := v.cloud.objects[name]
	if !ok {
		return nil, NotFound(name)
	}
	if o.busy {
		return nil, notReady(name)
	}
	return o, nil
}

// ExistingOf returns an object of a kind that can be changed now.
func (v View) ExistingOf(kind Kind, name string) (*Object, error) {
	o, err := v.existing(name)
	if err == nil && o.Kind != kind {
		return nil, NotFound(name)
	}
	return o, err
}

// ProjectID returns the ID of a project that is given by its ID or number. If there is no
// such project, it returns its argument.
func (v View) ProjectID(given string) string {
	for _, o := range v.cloud.objects {
		if ProjectNumber(o.Project()) == given {
			return o.Project()
		}
	}
	return given
}

// Add stores an object that another one brings with it.
func (v View) Add(o *Object) {
	o.exists = true
	v.cloud.objects[o.Name] = o
}

// Remove forgets an object that goes with another one.
func (v View) Remove(o *Object) { delete(v.cloud.objects, o.Name) }
