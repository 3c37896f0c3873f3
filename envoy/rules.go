package envoy

import (
	"slices"

	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	httprbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
)

// overrides are the settings of filters, by name, for the calls of a method as
// Rules have it; with an empty method, for those of the service that no rule of a
// method is about.
//
// Rates are not among them: a bucket that is set on a route belongs to that route
// alone, and the calls of one rule may take several.
func (c Config) overrides(service protoreflect.FullName, method protoreflect.Name) map[string]*anypb.Any {
	rule, ok := c.ruleFor(service, method)
	if !ok {
		return nil
	}
	settings := map[string]*anypb.Any{}
	if len(rule.Issuers) > 0 {
		settings[tokenFilterName] = typed(&jwtv3.PerRouteConfig{
			RequirementSpecifier: &jwtv3.PerRouteConfig_RequirementName{RequirementName: requirementName(rule.Issuers)},
		})
	}
	if len(rule.Clients) > 0 {
		settings[ruleClientsFilterName] = typed(&httprbacv3.RBACPerRoute{Rbac: allowOnly(rule.Clients)})
	}
	return settings
}

// ruleFor is the rule for the calls of a method: that of the method itself, or
// else that of its service.
func (c Config) ruleFor(service protoreflect.FullName, method protoreflect.Name) (Rule, bool) {
	var whole *Rule
	for i, rule := range c.Rules {
		switch {
		case rule.Service != service:
		case rule.Method == method:
			return rule, true
		case rule.Method == "":
			whole = &c.Rules[i]
		}
	}
	if whole == nil {
		return Rule{}, false
	}
	return *whole, true
}

// methodsWithRules are those methods of a service that have a rule of their own,
// in the order of their names.
func (c Config) methodsWithRules(service protoreflect.FullName) []protoreflect.Name {
	var methods []protoreflect.Name
	for _, rule := range c.Rules {
		if rule.Service == service && rule.Method != "" {
			methods = append(methods, rule.Method)
		}
	}
	slices.Sort(methods)
	return methods
}
