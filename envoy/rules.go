package envoy

import (
	"errors"
	"fmt"
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

func (c Config) validateRules() error {
	var errs []error
	type subject struct {
		service protoreflect.FullName
		method  protoreflect.Name
	}
	first := map[subject]int{}
	for i, rule := range c.Rules {
		field := fmt.Sprintf("Rules[%d]", i)
		errs = append(errs, c.validateSubject(field, rule), validateClients(field+".Clients", rule.Clients), rule.Rate.validate(field+".Rate"))
		for j, name := range rule.Issuers {
			if !slices.ContainsFunc(c.Issuers, func(issuer Issuer) bool { return issuer.Name == name }) {
				errs = append(errs, fmt.Errorf("%s.Issuers[%d]: %q must be the name of one of Issuers", field, j, name))
			}
		}
		about := subject{rule.Service, rule.Method}
		if j, taken := first[about]; taken {
			errs = append(errs, fmt.Errorf("%s: Rules[%d] is already about the same", field, j))
		} else {
			first[about] = i
		}
	}
	return errors.Join(errs...)
}

// validateSubject wants what a rule is about to be routed: a rule with a misspelt
// name would leave open what it is to close.
func (c Config) validateSubject(field string, rule Rule) error {
	for _, backend := range c.Backends {
		for _, service := range backend.Services {
			if service.FullName() != rule.Service {
				continue
			}
			if rule.Method != "" && service.Methods().ByName(rule.Method) == nil {
				return fmt.Errorf("%s.Method: %q must be a method of %s, or empty for all of them", field, rule.Method, rule.Service)
			}
			return nil
		}
	}
	return fmt.Errorf("%s.Service: %q must be one of the services of Backends", field, rule.Service)
}
