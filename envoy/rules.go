package envoy

import (
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
)

// overrides are the settings of filters, by name, for the calls of a method as
// Rules have it; with an empty method, for those of the service that no rule of a
// method is about.
func (c Config) overrides(_ protoreflect.FullName, _ protoreflect.Name) map[string]*anypb.Any {
	return nil
}
