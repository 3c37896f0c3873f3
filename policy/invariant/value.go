package invariant

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// value is a property and where it was found. There may be nothing: a value that is
// not set is null, and so is all below it; what is below an unknown one is unknown.
type value struct {
	property.Value
	path string
}

// all is all that a resource has.
func all(r Resource) value { return value{Value: property.New(r.Properties)} }

// at follows a path of keys, such as spec.template.
func (v value) at(path string) value {
	for key := range strings.SplitSeq(path, ".") {
		v = v.key(key)
	}
	return v
}

// key is one entry of a map; its name may have dots.
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

// items are the elements of a list; none of one that is unknown or not set.
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

// has tells whether a list has an element that is this, or may be.
func (v value) has(want any) bool {
	return v.IsComputed() || slices.ContainsFunc(v.items(), func(item value) bool { return item.IsComputed() || item.is(want) })
}

// text is a string; empty if it is something else.
func (v value) text() string {
	if !v.IsString() {
		return ""
	}
	return v.AsString()
}

// is tells whether the value is this string, number or bool, or nil for none.
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

// isTrue tells whether the value is known to be true.
func (v value) isTrue() bool { return v.is(true) }

// same tells whether two values are equal, or may be.
func (v value) same(other value) bool {
	return v.IsComputed() || other.IsComputed() || v.IsNull() && other.IsNull() ||
		v.IsString() && other.is(v.AsString())
}

// must finds fault with a value that is none of these; nil stands for not set.
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

// mustNot finds fault with a value that is one of these.
func (v value) mustNot(forbidden ...any) []finding {
	for _, f := range forbidden {
		if v.is(f) {
			return v.wrong("must not be " + word(f))
		}
	}
	return nil
}

// mustMatch finds fault with what is not a string of this form.
func (v value) mustMatch(form *regexp.Regexp, meaning string) []finding {
	if v.IsComputed() || form.MatchString(v.text()) {
		return nil
	}
	return v.wrong("must be " + meaning)
}

// wrong says what the value is, and then what it may be.
func (v value) wrong(may string) []finding {
	return []finding{{property: v.path, problem: "is " + v.show() + ", " + may}}
}

// show is the value for a person; never a secret one.
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

// word is one of the allowed values for a person.
func word(allowed any) string {
	switch allowed := allowed.(type) {
	case nil:
		return "left out"
	case string:
		return fmt.Sprintf("%q", allowed)
	}
	return fmt.Sprint(allowed)
}

// concat joins findings.
func concat(lists ...[]finding) []finding {
	var all []finding
	for _, list := range lists {
		all = append(all, list...)
	}
	return all
}

// each checks every element.
func each(list []value, check func(value) []finding) []finding {
	var found []finding
	for _, v := range list {
		found = append(found, check(v)...)
	}
	return found
}
