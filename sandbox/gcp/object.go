package gcp

import (
	"cmp"
	"encoding/json"
	"maps"
	"reflect"
	"strings"
)

// Kind is the type of an object, as Cloud Asset Inventory names it ("Asset types").
type Kind string

// API returns the service that serves objects of the kind.
func (k Kind) API() string { return strings.Split(string(k), "/")[0] }

// Object is something that exists in a project.
type Object struct {
	Kind Kind `json:"kind"`
	// Name is the relative resource name, such as projects/p/global/networks/n
	// ("Resource names", Cloud API design guide).
	Name string `json:"name"`
	// Config holds the requested properties.
	Config Properties `json:"config"`
	// Status holds the properties that Google added: defaults, and what it assigned.
	Status Properties `json:"status"`
	// Uses are the names of the objects that cannot be deleted before this one.
	Uses []string `json:"uses,omitempty"`

	// exists is true from the end of the object's creation, when it is first stored.
	exists bool
	// busy is true while an operation on the object is under way. It is not
	// stored: an operation ends with the process.
	busy bool
}

// FullName returns the name with the service that it belongs to ("Full resource names").
func (o Object) FullName() string { return "//" + o.Kind.API() + "/" + o.Name }

// Properties returns the object's properties: the requested ones, completed and where needed in
// canonical form.
func (o Object) Properties() Properties {
	p := o.Config.Clone()
	p.Merge(o.Status.Clone())
	return p
}

// Made reports whether the object's creation has ended.
func (o Object) Made() bool { return o.exists }

// ID returns the part of the name after the last slash.
func (o Object) ID() string { return o.Name[strings.LastIndex(o.Name, "/")+1:] }

// Project returns the ID of the object's project; some names have its number.
func (o Object) Project() string {
	return cmp.Or(o.Status.Text("project"), Segment(o.Name, "projects"))
}

func (o *Object) copy() Object {
	c := *o
	c.Config, c.Status = o.Config.Clone(), o.Status.Clone()
	return c
}

// Segment returns what follows a collection's name in a resource name.
func Segment(name, collection string) string {
	parts := strings.Split(name, "/")
	for i := 0; i+1 < len(parts); i++ {
		if parts[i] == collection {
			return parts[i+1]
		}
	}
	return ""
}

// Properties is a JSON object. Reading a property that is missing, or has another type, returns
// the zero value: types were checked before an object is created.
type Properties map[string]any

// Get returns the property at the end of a path of keys, such as "privateClusterConfig.masterIpv4CidrBlock".
func (p Properties) Get(path string) any {
	key, rest, more := strings.Cut(path, ".")
	if !more {
		return p[key]
	}
	return p.Object(key).Get(rest)
}

// Has reports whether a property is given.
func (p Properties) Has(path string) bool { return p.Get(path) != nil }

// Text returns a string.
func (p Properties) Text(path string) string { s, _ := p.Get(path).(string); return s }

// Bool returns a boolean.
func (p Properties) Bool(path string) bool { b, _ := p.Get(path).(bool); return b }

// Int returns a number without its fraction.
func (p Properties) Int(path string) int { f, _ := p.Get(path).(float64); return int(f) }

// Object returns an object.
func (p Properties) Object(path string) Properties { return asObject(p.Get(path)) }

// Objects returns the elements of a list of objects.
func (p Properties) Objects(path string) []Properties {
	list, _ := p.Get(path).([]any)
	found := make([]Properties, 0, len(list))
	for _, item := range list {
		found = append(found, asObject(item))
	}
	return found
}

// Texts returns the elements of a list of strings.
func (p Properties) Texts(path string) []string {
	list, _ := p.Get(path).([]any)
	found := make([]string, 0, len(list))
	for _, item := range list {
		s, _ := item.(string)
		found = append(found, s)
	}
	return found
}

func asObject(v any) Properties {
	switch o := v.(type) {
	case Properties:
		return o
	case map[string]any:
		return o
	}
	return nil
}

// Merge lays other over p, object by object; lists are taken whole.
func (p Properties) Merge(other Properties) {
	for k, v := range other {
		mine, theirs := asObject(p[k]), asObject(v)
		if mine == nil || theirs == nil {
			p[k] = v
			continue
		}
		merged := maps.Clone(mine)
		merged.Merge(theirs)
		p[k] = map[string]any(merged)
	}
}

// Clone returns a deep copy with only JSON's own types in it.
func (p Properties) Clone() Properties {
	data, err := json.Marshal(p)
	if err != nil {
		panic("properties are JSON: " + err.Error()) // only the cloud and the provider build them
	}
	c := Properties{}
	if err := json.Unmarshal(data, &c); err != nil {
		panic("properties are JSON: " + err.Error())
	}
	return c
}

// Or returns the defaults, less those that p has a value for.
func (p Properties) Or(defaults Properties) Properties {
	left := Properties{}
	for key, value := range defaults {
		if !p.Has(key) {
			left[key] = value
		}
	}
	return left
}

// List returns a list as it is in JSON.
func List[T any](items []T) []any {
	list := make([]any, len(items))
	for i, item := range items {
		list[i] = item
	}
	return list
}

// Equal reports whether two objects are the same JSON.
func Equal(a, b Properties) bool { return reflect.DeepEqual(a.Clone(), b.Clone()) }
