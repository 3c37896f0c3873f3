package envoy

import (
	"errors"
	"fmt"

	"google.golang.org/protobuf/reflect/protoreflect"

	"example.com/grpc-edge/envoy/rest"
)

// restServices lists the services with an annotated method.
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

func restBindings(service protoreflect.ServiceDescriptor) []rest.Binding {
	var list []rest.Binding
	for i := range service.Methods().Len() {
		list = append(list, rest.Bindings(service.Methods().Get(i))...)
	}
	return list
}

// validateREST reports annotations with which Envoy would not start, and two methods
// at one path, of which Envoy would call only one without an error.
func (c Config) validateREST() error {
	var errs []error
	first := map[string]protoreflect.FullName{}
	for _, service := range restServices(c) {
		for _, binding := range restBindings(service) {
			errs = append(errs, binding.Check())
			path := binding.Verb + " " + binding.Pattern()
			if other, taken := first[path]; taken && other != binding.Method.FullName() {
				errs = append(errs, fmt.Errorf("google.api.http: %s calls both %s and %s; give each its own path", path, other, binding.Method.FullName()))
			} else {
				first[path] = binding.Method.FullName()
			}
		}
	}
	return errors.Join(errs...)
}
