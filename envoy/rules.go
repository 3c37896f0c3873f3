package envoy

import (
	"errors"
	"fmt"
	"slices"

	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	httprbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/anypb"
)

// apply configures a route by a rule.
func (r Rule) apply(route *routev3.Route) {
	route.TypedPerFilterConfig = map[string]*anypb.Any{}
	if len(r.Issuers) > 0 {
		route.TypedPerFilterConfig[tokenFilterName] = typed(&jwtv3.PerRouteConfig{
			RequirementSpecifier: &jwtv3.PerRouteConfig_RequirementName{RequirementName: requirementName(r.Issuers)},
		})
	}
	if len(r.Clients) > 0 {
		route.TypedPerFilterConfig[ruleClientsFilterName] = typed(&httprbacv3.RBACPerRoute{Rbac: allowOnly(r.Clients)})
	}
	if r.Rate != (Rate{}) {
		route.TypedPerFilterConfig[ruleRateFilterName] = switchedOn()
		route.Metadata = r.bucket()
	}
}

// ruleFor returns the rule for the calls of a method by an authority. An empty method
// stands for all methods of the service without a rule of their own, and an empty
// authority for all names without one. Without a rule the result is the zero value.
// ruleFor also reports whether such calls are served: they are not if all rules are for
// other authorities.
func (c Config) ruleFor(authority string, service protoreflect.FullName, method protoreflect.Name) (Rule, bool) {
	var ofService, ofMethod []Rule
	for _, rule := range c.Rules {
		switch {
		case rule.Service != service:
		case rule.Method == "":
			ofService = append(ofService, rule)
		case rule.Method == method:
			ofMethod = append(ofMethod, rule)
		}
	}
	rules := ofMethod
	if len(rules) == 0 {
		rules = ofService
	}
	for _, name := range []string{authority, ""} {
		if i := slices.IndexFunc(rules, func(rule Rule) bool { return rule.Authority == name }); i >= 0 {
			return rules[i], true
		}
	}
	return Rule{}, len(rules) == 0
}

// AuthorityFor returns the first of Authorities by which a method is served. It returns "" if
// the method is served by none.
func (c Config) AuthorityFor(service protoreflect.FullName, method protoreflect.Name) string {
	for _, authority := range c.Authorities {
		if _, served := c.ruleFor(authority, service, method); served {
			return authority
		}
	}
	return ""
}

// hasRules reports whether any rule is about the calls by this authority alone.
func (c Config) hasRules(authority string) bool {
	return slices.ContainsFunc(c.Rules, func(rule Rule) bool { return rule.Authority == authority })
}

// methodsWithRules returns the methods of a service that have a rule of their own,
// in the order of their names.
func (c Config) methodsWithRules(service protoreflect.FullName) []protoreflect.Name {
	var methods []protoreflect.Name
	for _, rule := range c.Rules {
		if rule.Service == service && rule.Method != "" {
			methods = append(methods, rule.Method)
		}
	}
	slices.Sort(methods)
	return slices.Compact(methods)
}

func (c Config) validateRules() error {
	var errs []error
	type subject struct {
		service   protoreflect.FullName
		method    protoreflect.Name
		authority string
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
		if rule.Authority != "" && !slices.Contains(c.Authorities, rule.Authority) {
			errs = append(errs, fmt.Errorf("%s.Authority: %q must be one of Authorities, or empty for all that no other rule is about", field, rule.Authority))
		}
		about := subject{rule.Service, rule.Method, rule.Authority}
		if j, taken := first[about]; taken {
			errs = append(errs, fmt.Errorf("%s: Rules[%d] is already about the same", field, j))
		} else {
			first[about] = i
		}
	}
	return errors.Join(errs...)
}

// validateSubject checks that the service and method of a rule are routed: a rule with a
// misspelt name would protect nothing.
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
