package envoy

import (
	"cmp"
	"errors"
	"fmt"
	"regexp"

	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// restServices are those with an annotated method.
func restServices(c Config) []protoreflect.ServiceDescriptor {
	if !c.REST {
		return nil
	}
	var list []protoreflect.ServiceDescriptor
	for _, backend := range c.Backends {
		for _, service := range backend.Services {
			if len(restBindings(service)) > 0 {
				list = append(list, service)
			}
		}
	}
	return list
}

// restBinding is one way to call a method by REST.
type restBinding struct {
	method protoreflect.MethodDescriptor
	// verb is that of HTTP, and template the path with its variables.
	verb, template string
}

func restBindings(service protoreflect.ServiceDescriptor) []restBinding {
	var list []restBinding
	for i := range service.Methods().Len() {
		method := service.Methods().Get(i)
		rule := httpRule(method)
		if rule == nil {
			continue
		}
		for _, rule := range append([]*annotations.HttpRule{rule}, rule.AdditionalBindings...) {
			verb, template := "", ""
			switch pattern := rule.Pattern.(type) {
			case *annotations.HttpRule_Get:
				verb, template = "GET", pattern.Get
			case *annotations.HttpRule_Put:
				verb, template = "PUT", pattern.Put
			case *annotations.HttpRule_Post:
				verb, template = "POST", pattern.Post
			case *annotations.HttpRule_Delete:
				verb, template = "DELETE", pattern.Delete
			case *annotations.HttpRule_Patch:
				verb, template = "PATCH", pattern.Patch
			case *annotations.HttpRule_Custom:
				verb, template = pattern.Custom.GetKind(), pattern.Custom.GetPath()
			}
			list = append(list, restBinding{method, verb, template})
		}
	}
	return list
}

// httpRule reads the options anew: what holds them may not have known the
// annotation's type when it read them.
func httpRule(method protoreflect.MethodDescriptor) *annotations.HttpRule {
	options := &descriptorpb.MethodOptions{}
	if err := proto.Unmarshal(marshal(method.Options()), options); err != nil {
		panic(fmt.Sprintf("reading the options of %s: %v", method.FullName(), err))
	}
	if !proto.HasExtension(options, annotations.E_Http) {
		return nil
	}
	return proto.GetExtension(options, annotations.E_Http).(*annotations.HttpRule)
}

// The grammar of templates in google/api/http.proto.
const (
	restLiteral  = `[^/{}*=:]+`
	restSegment  = `(\*\*?|` + restLiteral + `)`
	restVariable = `\{[a-zA-Z_0-9]+(\.[a-zA-Z_0-9]+)*(=` + restSegment + `(/` + restSegment + `)*)?\}`
)

var (
	restTemplate = regexp.MustCompile(`^(/(` + restSegment + `|` + restVariable + `))+(:` + restLiteral + `)?$`)
	// doubleStar finds a ** that is not the last segment.
	doubleStar = regexp.MustCompile(`\*\*\}?/`)
	// variable has what a variable matches as its second group.
	variable = regexp.MustCompile(`\{[^{}=]*(=([^{}]*))?\}`)
)

// validateREST finds what Envoy would not start with, or would not tell: of two
// methods at one path it calls one.
func (c Config) validateREST() error {
	var errs []error
	first := map[string]protoreflect.FullName{}
	for _, service := range restServices(c) {
		for _, binding := range restBindings(service) {
			if !restTemplate.MatchString(binding.template) || doubleStar.MatchString(binding.template) {
				errs = append(errs, fmt.Errorf("REST: %q is not a path that google.api.http allows (of %s); it looks like /v1/{name=shelves/*}",
					binding.template, binding.method.FullName()))
			}
			path := binding.verb + " " + withoutVariables(binding.template)
			if other, taken := first[path]; taken && other != binding.method.FullName() {
				errs = append(errs, fmt.Errorf("REST: %s calls both %s and %s; give each its own path", path, other, binding.method.FullName()))
			} else {
				first[path] = binding.method.FullName()
			}
		}
	}
	return errors.Join(errs...)
}

// withoutVariables leaves of a template what it matches: no names.
func withoutVariables(template string) string {
	return variable.ReplaceAllStringFunc(template, func(text string) string {
		return cmp.Or(variable.FindStringSubmatch(text)[2], "*")
	})
}
