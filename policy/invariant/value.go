package invariant

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// value is a property with its path. A value that is not set is null, and so is everything
// below it. Everything below an unknown value is unknown.
type value struct {
	property.Value
	path string
}

// all returns all properties of a resource as one value.
func all(r Resource) value { return value{Value: property.New(r.Properties)} }

// at returns the value at a path of keys, such as spec.template.
func (v value) at(path string) value {
	for key := range strings.SplitSeq(path, ".") {
		v = v.key(key)
	}
	return v
}

// key returns one entry of a map. Its name may contain dots.
func (v value) key(name string) value {
	path := v.path + "." + name
	switch {
	case strings.ContainsAny(name, "./"):
		path = fmt.Sprintf("%s[%q]", v.path, name)
	case v.path == "":
		path = name
	}
	below := value{path: path}
	switch {
	case v.IsComputed():
		below.Value = property.New(property.Computed)
	case v.IsMap():
		below.Value = v.AsMap().Get(name)
	}
	below.Value = below.WithSecret(v.Secret() || below.Secret())
	return below
}

// items returns the elements of a list; none if the list is unknown or not set.
func (v value) items() []value {
	if !v.IsArray() {
		return nil
	}
	var list []value
	for i, item := range v.AsArray().All {
		list = append(list, value{item.WithSecret(v.Secret() || item.Secret()), fmt.Sprintf("%s[%d]", v.path, i)})
	}
	return list
}

// has reports whether a list has, or may have, an element that equals want.
func (v value) has(want any) bool {
	return v.IsComputed() || slices.ContainsFunc(v.items(), func(item value) bool { return item.IsComputed() || item.is(want) })
}

// text returns the value if it is a string; else "".
func (v value) text() string {
	if !v.IsString() {
		return ""
	}
	return v.AsString()
}

// is reports whether the value is this string, number or bool; nil stands for not set.
func (v value) is(want any) bool {
	switch want := want.(type) {
	case nil:
		return v.IsNull()
	case int:
		return v.IsNumber() && v.AsNumber() == float64(want)
	case bool:
		return v.IsBool() && v.AsBool() == want
	case string:
		return v.IsString() && v.AsString() == want
	}
	panic(fmt.Sprintf("a rule compares with a %T", want))
}

// isTrue reports whether the value is known to be true.
func (v value) isTrue() bool { return v.is(true) }

// same reports whether two values are, or may be, equal.
func (v value) same(other value) bool {
	return v.IsComputed() || other.IsComputed() || v.IsNull() && other.IsNull() ||
		v.IsString() && other.is(v.AsString())
}

// must reports a value that is none of these; nil stands for not set.
func (v value) must(allowed ...any) []finding {
	if v.IsComputed() {
		return nil
	}
	var words []string
	for _, a := range allowed {
		if v.is(a) {
			return nil
		}
		words = append(words, word(a))
	}
	return v.wrong("must be " + strings.Join(words, " or "))
}

// mustNot reports a value that is one of these.
func (v value) mustNot(forbidden ...any) []finding {
	for _, f := range forbidden {
		if v.is(f) {
			return v.wrong("must not be " + word(f))
		}
	}
	return nil
}

// mustMatch reports a value that is not a string of this form.
func (v value) mustMatch(form *regexp.Regexp, meaning string) []finding {
	if v.IsComputed() || form.MatchString(v.text()) {
		return nil
	}
	return v.wrong("must be " + meaning)
}

// wrong returns a finding with the value and what it may be.
func (v value) wrong(may string) []finding {
	return []finding{{property: v.path, problem: "is " + v.show() + ", " + may}}
}

// show returns the value for a person, but never a secret one.
func (v value) show() string {
	switch {
	case v.Secret():
		return "a secret"
	case v.IsNull():
		return "not set"
	case v.IsString():
		return fmt.Sprintf("%q", v.AsString())
	case v.IsBool():
		return fmt.Sprint(v.AsBool())
	case v.IsNumber():
		return fmt.Sprint(v.AsNumber())
	case v.IsArray():
		var words []string
		for _, item := range v.items() {
			words = append(words, item.show())
		}
		return "[" + strings.Join(words, ", ") + "]"
	default:
		return "set"
	}
}

// word returns an allowed value for a person.
func word(allowed any) string {
	switch allowed := allowed.(type) {
	case nil:
		return "left out"
	case string:
		return fmt.Sprintf("%q", allowed)
	}
	return fmt.Sprint(allowed)
}

// concat returns all findings in one list.
func concat(lists ...[]finding) []finding {
	var all []finding
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

// each returns the findings of a check for every element.
func each(list []value, check func(value) []finding) []finding {
	var found []finding
	for _, v := range list {
		found = append(found, check(v)...)
	}
	return found
}
