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
			if len(rest.ServiceBindings(service)) > 0 {
				list = append(list, service)
			}
		}
	}
	return list
}

// validateREST reports annotations with which Envoy would not start, and a path that is
// annotated twice: Envoy calls only one of two methods without an error, and none if both
// annotations are of one method.
func (c Config) validateREST() error {
	var errs []error
	first := map[string]protoreflect.FullName{}
	for _, service := range restServices(c) {
		for _, binding := range rest.ServiceBindings(service) {
			errs = append(errs, binding.Check())
			path := binding.Verb + " " + binding.Pattern()
			switch other, taken := first[path]; {
			case taken && other == binding.Method.FullName():
				errs = append(errs, fmt.Errorf("google.api.http: %s is a path of %s twice; leave one", path, other))
			case taken:
				errs = append(errs, fmt.Errorf("google.api.http: %s calls both %s and %s; give each its own path", path, other, binding.Method.FullName()))
			default:
				first[path] = binding.Method.FullName()
			}
		}
	}
	return errors.Join(errs...)
}
