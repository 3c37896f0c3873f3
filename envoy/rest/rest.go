// Package rest reads the google.api.http annotations of gRPC methods, so that the
// configuration of Envoy and the OpenAPI document follow from one reading of them.
package rest

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// HTTPBody is the message that carries a body as it is, whatever its content type.
const HTTPBody protoreflect.FullName = "google.api.HttpBody"

// Binding describes one way to call a method by REST.
type Binding struct {
	Method protoreflect.MethodDescriptor
	// Verb is the method of HTTP; * stands for any.
	Verb string
	// Template is the path with its variables, such as /v1/{name=shelves/*}.
	Template string
	// Body names the field that the body sets; * is the whole request, and empty is none.
	Body string
	// ResponseBody names the field that is returned; empty is the whole response.
	ResponseBody string
}

// Bindings lists the ways to call a method by REST: that of its annotation first,
// then the additional ones.
func Bindings(method protoreflect.MethodDescriptor) []Binding {
	rule := annotation(method)
	if rule == nil {
		return nil
	}
	var list []Binding
	for _, rule := range append([]*annotations.HttpRule{rule}, rule.AdditionalBindings...) {
		binding := Binding{Method: method, Body: rule.Body, ResponseBody: rule.ResponseBody}
		switch pattern := rule.Pattern.(type) {
		case *annotations.HttpRule_Get:
			binding.Verb, binding.Template = "GET", pattern.Get
		case *annotations.HttpRule_Put:
			binding.Verb, binding.Template = "PUT", pattern.Put
		case *annotations.HttpRule_Post:
			binding.Verb, binding.Template = "POST", pattern.Post
		case *annotations.HttpRule_Delete:
			binding.Verb, binding.Template = "DELETE", pattern.Delete
		case *annotations.HttpRule_Patch:
			binding.Verb, binding.Template = "PATCH", pattern.Patch
		case *annotations.HttpRule_Custom:
			binding.Verb, binding.Template = pattern.Custom.GetKind(), pattern.Custom.GetPath()
		}
		list = append(list, binding)
	}
	return list
}

// ServiceBindings lists the ways to call the methods of a service by REST.
func ServiceBindings(service protoreflect.ServiceDescriptor) []Binding {
	var list []Binding
	for i := range service.Methods().Len() {
		list = append(list, Bindings(service.Methods().Get(i))...)
	}
	return list
}

// annotation unmarshals the options again: the code that made the descriptor may not
// have known the annotation's type.
func annotation(method protoreflect.MethodDescriptor) *annotations.HttpRule {
	options := &descriptorpb.MethodOptions{}
	content, err := proto.Marshal(method.Options())
	if err == nil {
		err = proto.Unmarshal(content, options)
	}
	if err != nil {
		panic(fmt.Sprintf("reading the options of %s: %v", method.FullName(), err)) // they were read once already
	}
	if !proto.HasExtension(options, annotations.E_Http) {
		return nil
	}
	return proto.GetExtension(options, annotations.E_Http).(*annotations.HttpRule)
}

// The grammar of templates in google/api/http.proto.
const (
	literal         = `[^/{}*=:]+`
	segment         = `(?:\*\*?|` + literal + `)`
	fieldPath       = `[a-zA-Z_0-9]+(?:\.[a-zA-Z_0-9]+)*`
	variablePattern = `\{(` + fieldPath + `)(?:=(` + segment + `(?:/` + segment + `)*))?\}`
)

var (
	templatePattern = regexp.MustCompile(`^(?:/(?:` + segment + `|` + variablePattern + `))+(?::` + literal + `)?$`)
	variable        = regexp.MustCompile(variablePattern)
	// innerStars finds a ** that is not the last segment.
	innerStars = regexp.MustCompile(`\*\*\}?/`)
)

// Variable describes a part of a template that sets a field of the request.
type Variable struct {
	// Field is its path, such as book.name.
	Field string
	// Pattern is the pattern that the part matches, such as shelves/*. * matches one
	// segment, and ** matches all the rest.
	Pattern string
}

// Variables lists the variables of the template, in order.
func (b Binding) Variables() []Variable {
	var list []Variable
	b.Expand(func(v Variable) string {
		list = append(list, v)
		return ""
	})
	return list
}

// Pattern returns what the template matches, without the names of its variables: two
// templates with one pattern are one path.
func (b Binding) Pattern() string {
	return b.Expand(func(v Variable) string { return v.Pattern })
}

// Shape describes what a template matches, whatever the names of its variables.
type Shape struct {
	// CustomVerb is the last part of a template such as /v1/{name=users/*}:disable, without its
	// colon; empty if there is none.
	CustomVerb string
	segments   []string
	// anyVerb is for bindings to all methods of HTTP: they take paths with any custom verb, too.
	anyVerb bool
}

// Shape returns what the template matches.
func (b Binding) Shape() Shape {
	path, verb, _ := strings.Cut(b.Pattern(), ":")
	return Shape{CustomVerb: verb, segments: strings.Split(path, "/"), anyVerb: b.Verb == "*"}
}

// Open reports whether the last part of a path may be anything, also with a custom verb of another
// template.
func (s Shape) Open() bool {
	return s.CustomVerb == "" && strings.HasPrefix(s.segments[len(s.segments)-1], "*")
}

// Overlaps reports whether a path may fit both templates.
func (s Shape) Overlaps(other Shape) bool {
	return (s.CustomVerb == other.CustomVerb || s.anyVerb || other.anyVerb) && s.OverlapsText(other)
}

// OverlapsText reports whether a path may fit both templates if a custom verb is a part of its text.
func (s Shape) OverlapsText(other Shape) bool {
	a, b := s.segments, other.segments
	for i := range max(len(a), len(b)) {
		switch {
		case i < len(a) && a[i] == "**" || i < len(b) && b[i] == "**":
			return true
		case i >= len(a) || i >= len(b) || a[i] != b[i] && a[i] != "*" && b[i] != "*":
			return false
		}
	}
	return true
}

// Contains reports whether all paths that fit the inner template fit this one.
func (s Shape) Contains(inner Shape) bool {
	if !s.anyVerb && (inner.anyVerb || s.CustomVerb != inner.CustomVerb) {
		return false
	}
	for i, segment := range s.segments {
		switch {
		case segment == "**":
			return true
		case i >= len(inner.segments) || inner.segments[i] == "**" || segment != "*" && segment != inner.segments[i]:
			return false
		}
	}
	return len(s.segments) == len(inner.segments)
}

// Compare orders templates so that one comes before all that contain it. It returns less than 0 if s
// comes before other, and 0 only for equal ones.
func (s Shape) Compare(other Shape) int {
	count := func(of Shape) (literals, open int) {
		for _, segment := range of.segments {
			switch segment {
			case "**":
				open++
			case "*":
			default:
				literals++
			}
		}
		return literals, open
	}
	literals, open := count(s)
	otherLiterals, otherOpen := count(other)
	return cmp.Or(otherLiterals-literals, len(other.segments)-len(s.segments), open-otherOpen, strings.Compare(s.String(), other.String()))
}

// String returns the template without its variables, and "any" if it is for all methods of HTTP.
func (s Shape) String() string {
	text := strings.Join(s.segments, "/")
	if s.CustomVerb != "" {
		text += ":" + s.CustomVerb
	}
	if s.anyVerb {
		text += " any"
	}
	return text
}

// Expand returns the template with a text in the place of each variable.
func (b Binding) Expand(text func(Variable) string) string {
	return variable.ReplaceAllStringFunc(b.Template, func(found string) string {
		parts := variable.FindStringSubmatch(found)
		return text(Variable{Field: parts[1], Pattern: cmp.Or(parts[2], "*")})
	})
}

// Check returns everything for which Envoy would not start, or would answer each
// call with an error.
func (b Binding) Check() error {
	var errs []error
	report := func(format string, args ...any) {
		errs = append(errs, fmt.Errorf("google.api.http of %s: %w", b.Method.FullName(), fmt.Errorf(format, args...)))
	}
	switch {
	case !templatePattern.MatchString(b.Template) || innerStars.MatchString(b.Template):
		report("%q is not a path; it looks like /v1/{name=shelves/*}", b.Template)
	case b.Verb == "":
		report("the custom pattern of %s has no kind; name a method of HTTP, such as HEAD", b.Template)
	}
	for _, v := range b.Variables() {
		if field := Field(b.Method.Input(), v.Field); field == nil {
			report("the variable {%s} names no field of %s", v.Field, b.Method.Input().FullName())
		} else if field.Message() != nil || field.IsList() {
			report("the variable {%s} is a %s, and a path holds only text, a number, a boolean or an enum", v.Field, kind(field))
		}
	}
	if b.Body != "" && b.Body != "*" && topLevel(b.Method.Input(), b.Body) == nil {
		report("body is %q, which names no field of %s; it must be one of them, or \"*\"", b.Body, b.Method.Input().FullName())
	}
	if b.ResponseBody != "" {
		field := topLevel(b.Method.Output(), b.ResponseBody)
		if field == nil {
			report("response_body is %q, which names no field of %s", b.ResponseBody, b.Method.Output().FullName())
		} else if field.IsList() || field.Message() == nil || field.Message().FullName() != HTTPBody {
			report("response_body is %q, and Envoy answers with a field only if it is a %s; leave response_body out, and the whole %s is answered",
				b.ResponseBody, HTTPBody, b.Method.Output().Name())
		}
	}
	return errors.Join(errs...)
}

func kind(field protoreflect.FieldDescriptor) string {
	switch {
	case field.IsMap():
		return "map"
	case field.IsList():
		return "list"
	}
	return "message"
}

// Field finds a field by its path from a message, such as book.name; nil for none.
func Field(message protoreflect.MessageDescriptor, path string) protoreflect.FieldDescriptor {
	var field protoreflect.FieldDescriptor
	for name := range strings.SplitSeq(path, ".") {
		if field != nil && (field.IsList() || field.IsMap()) {
			return nil
		}
		if message == nil {
			return nil
		}
		if field = topLevel(message, name); field == nil {
			return nil
		}
		message = field.Message()
	}
	return field
}

func topLevel(message protoreflect.MessageDescriptor, name string) protoreflect.FieldDescriptor {
	return message.Fields().ByName(protoreflect.Name(name))
}
