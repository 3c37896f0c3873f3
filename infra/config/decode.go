package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"time"
)

// decode reads the JSON of a list or an object into a pointer. It reports each unknown
// field and each value of a wrong type by its path; encoding/json would stop at the first
// unknown field.
func (r *reader) decode(key, text string, into any) {
	var value any
	decoder := json.NewDecoder(strings.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&value); err != nil {
		value = text // plain text instead of a list or an object
	}
	r.assign(key, value, reflect.ValueOf(into).Elem())
}

var timeType = reflect.TypeFor[time.Time]()

func (r *reader) assign(path string, value any, into reflect.Value) {
	switch {
	case into.Kind() == reflect.Pointer:
		into.Set(reflect.New(into.Type().Elem()))
		r.assign(path, value, into.Elem())
	case into.Kind() == reflect.Struct && into.Type() != timeType:
		r.assignStruct(path, value, into)
	case into.Kind() == reflect.Map:
		object, ok := value.(map[string]any)
		if !ok {
			r.refuseType(path, value, into.Type())
			return
		}
		into.Set(reflect.MakeMap(into.Type()))
		for _, name := range slices.Sorted(maps.Keys(object)) {
			item := reflect.New(into.Type().Elem()).Elem()
			r.assign(path+"."+name, object[name], item)
			into.SetMapIndex(reflect.ValueOf(name).Convert(into.Type().Key()), item)
		}
	case into.Kind() == reflect.Slice:
		list, ok := value.([]any)
		if !ok {
			r.refuseType(path, value, into.Type())
			return
		}
		into.Set(reflect.MakeSlice(into.Type(), len(list), len(list)))
		for i, item := range list {
			r.assign(fmt.Sprintf("%s[%d]", path, i), item, into.Index(i))
		}
	default:
		content, err := json.Marshal(value)
		if err != nil || value == nil && into.Kind() != reflect.Interface || json.Unmarshal(content, into.Addr().Interface()) != nil {
			r.refuseType(path, value, into.Type())
		}
	}
}

func (r *reader) assignStruct(path string, value any, into reflect.Value) {
	object, ok := value.(map[string]any)
	if !ok {
		r.refuseType(path, value, into.Type())
		return
	}
	fields := fieldsOf(into.Type())
	names := slices.Collect(func(yield func(string) bool) {
		for _, f := range fields {
			if !yield(f.name) {
				return
			}
		}
	})
	for _, name := range slices.Sorted(maps.Keys(object)) {
		if i := slices.Index(names, name); i >= 0 {
			r.assign(path+"."+name, object[name], into.Field(fields[i].index))
			continue
		}
		advice := ""
		if best := nearest(name, names); best != "" {
			advice = "did you mean " + best + "? "
		}
		r.report(path+"."+name, "is unknown; %sthere may be %s", advice, strings.Join(names, ", "))
	}
}

func (r *reader) refuseType(path string, value any, want reflect.Type) {
	text, err := json.Marshal(value)
	if err != nil {
		text = fmt.Append(nil, value)
	}
	r.report(path, "is %s; it must be %s", text, typeName(want))
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

// structField is a field of a struct, with the name in its JSON tag.
type structField struct {
	name  string
	index int
}

// fieldsOf lists the fields of a struct that have a JSON tag.
func fieldsOf(t reflect.Type) []structField {
	var fields []structField
	for i := range t.NumField() {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" && name != "-" {
			fields = append(fields, structField{name, i})
		}
	}
	return fields
}
