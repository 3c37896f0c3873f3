// Package decode reads values of a configuration into Go types. It reports every mistake, and
// the known name that a misspelt one is nearest to.
package decode

import (
	"encoding"
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// Report is called with each mistake: the path of the value, such as rules[0].clients, and
// what is wrong with it.
type Report func(path, message string)

// Value assigns a value, as encoding/json or YAML reads it, to what into points to. It reports
// each unknown field and each value of a wrong type by its path; encoding/json would stop at
// the first unknown field.
func Value(path string, value, into any, report Report) {
	decoder{report}.assign(path, value, reflect.ValueOf(into).Elem())
}

type decoder struct{ report Report }

var timeType = reflect.TypeFor[time.Time]()

func (d decoder) assign(path string, value any, into reflect.Value) {
	switch {
	case into.Kind() == reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		d.assign(path, value, into.Elem())
	case readsText(value, into):
		d.assignText(path, value.(string), into)
	case into.Kind() == reflect.Struct && into.Type() != timeType:
		d.assignStruct(path, value, into)
	case into.Kind() == reflect.Map:
		object, ok := value.(map[string]any)
		if !ok {
			d.refuseType(path, value, into.Type())
			return
		}
		into.Set(reflect.MakeMap(into.Type()))
		for _, name := range slices.Sorted(maps.Keys(object)) {
			item := reflect.New(into.Type().Elem()).Elem()
			d.assign(path+"."+name, object[name], item)
			into.SetMapIndex(reflect.ValueOf(name).Convert(into.Type().Key()), item)
		}
	case into.Kind() == reflect.Slice:
		list, ok := value.([]any)
		if !ok {
			d.refuseType(path, value, into.Type())
			return
		}
		into.Set(reflect.MakeSlice(into.Type(), len(list), len(list)))
		for i, item := range list {
			d.assign(fmt.Sprintf("%s[%d]", path, i), item, into.Index(i))
		}
	default:
		content, err := json.Marshal(value)
		if err != nil || value == nil && into.Kind() != reflect.Interface || json.Unmarshal(content, into.Addr().Interface()) != nil {
			d.refuseType(path, value, into.Type())
		}
	}
}

// readsText reports whether the value is a text, and into reads texts, such as a time.
func readsText(value any, into reflect.Value) bool {
	_, isText := value.(string)
	_, reads := into.Addr().Interface().(encoding.TextUnmarshaler)
	return isText && reads
}

func (d decoder) assignText(path, text string, into reflect.Value) {
	if into.Addr().Interface().(encoding.TextUnmarshaler).UnmarshalText([]byte(text)) != nil {
		d.refuseType(path, text, into.Type())
	}
}

func (d decoder) assignStruct(path string, value any, into reflect.Value) {
	object, ok := value.(map[string]any)
	if !ok {
		d.refuseType(path, value, into.Type())
		return
	}
	names, fields := Fields(into.Type())
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if i := slices.Index(names, name); i >= 0 {
			d.assign(path+"."+name, object[name], into.FieldByIndex(fields[i].Index))
			continue
		}
		d.report(path+"."+name, Unknown(name, names))
	}
}

func (d decoder) refuseType(path string, value any, want reflect.Type) {
	text, err := json.Marshal(value)
	if err != nil {
		text = fmt.Append(nil, value)
	}
	d.report(path, fmt.Sprintf("is %s; it must be %s", text, typeName(want)))
}

// Unknown returns the message for a name that is none of those known.
func Unknown(name string, known []string) string {
	advice := ""
	if best := Nearest(name, known); best != "" {
		advice = "did you mean " + best + "? "
	}
	return "is unknown; " + advice + "there may be " + strings.Join(known, ", ")
}

// typeName returns how a message names a type.
func typeName(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Pointer:
		return typeName(t.Elem())
	case reflect.Slice:
		return "a list"
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int32, reflect.Int64:
		return "a whole number"
	case reflect.Uint, reflect.Uint32, reflect.Uint64:
		return "a whole number, 0 or more"
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.String:
		return "text, in quotes if it looks like a number"
	}
	if t == timeType {
		return `a time such as "2026-01-03T02:00:00Z"`
	}
	return "an object"
}

// IsTime reports whether values of the type are texts in the format of RFC 3339.
func IsTime(t reflect.Type) bool { return t == timeType }

// Fields returns the names of the fields of a struct that have a JSON tag, and the types that
// belong to them.
func Fields(t reflect.Type) (names []string, fields []reflect.StructField) {
	for field := range t.Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" && name != "-" {
			names, fields = append(names, name), append(fields, field)
		}
	}
	return names, fields
}
