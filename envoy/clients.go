package envoy

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	rbacv3 "github.com/envoyproxy/go-control-plane/envoy/config/rbac/v3"
	httprbacv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/rbac/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// ruleClientsFilterName is the name, in routes, of the filter that refuses clients
// by the rule of a service or method.
const ruleClientsFilterName = "rule_clients"

// clientFilters returns the filters that refuse clients of all methods by their address, with
// PERMISSION_DENIED, or 403 over REST.
//
// The address is that of the connection (direct_remote_ip); x-forwarded-for does not
// count, since clients can write it. Envoy refuses the call, not the connection, so
// that the caller learns the reason and the access log shows the call.
func clientFilters(c Config) []*hcmv3.HttpFilter {
	var filters []*hcmv3.HttpFilter
	if len(c.DeniedClients) > 0 {
		filters = append(filters, httpFilter("denied_clients",
			clientsFrom(rbacv3.RBAC_DENY, "denied_clients", c.DeniedClients)))
	}
	if len(c.AllowedClients) > 0 {
		filters = append(filters, httpFilter("allowed_clients",
			clientsFrom(rbacv3.RBAC_ALLOW, "allowed_clients", c.AllowedClients)))
	}
	return filters
}

// ruleClientFilters returns the filter that refuses clients by the address ranges of a rule,
// which the route of the method has.
func ruleClientFilters(c Config) []*hcmv3.HttpFilter {
	if !slices.ContainsFunc(c.Rules, func(rule Rule) bool { return len(rule.Clients) > 0 }) {
		return nil
	}
	return []*hcmv3.HttpFilter{off(httpFilter(ruleClientsFilterName, &httprbacv3.RBAC{RulesStatPrefix: ruleClientsFilterName}))}
}

// allowOnly returns a policy that refuses all other clients.
func allowOnly(clients []netip.Prefix) *httprbacv3.RBAC {
	return clientsFrom(rbacv3.RBAC_ALLOW, ruleClientsFilterName, clients)
}

// clientsFrom returns a policy that allows, or denies, calls from these ranges.
func clientsFrom(action rbacv3.RBAC_Action, statPrefix string, ranges []netip.Prefix) *httprbacv3.RBAC {
	policy := &rbacv3.Policy{
		Permissions: []*rbacv3.Permission{{Rule: &rbacv3.Permission_Any{Any: true}}},
	}
	for _, prefix := range ranges {
		policy.Principals = append(policy.Principals, &rbacv3.Principal{
			Identifier: &rbacv3.Principal_DirectRemoteIp{DirectRemoteIp: &corev3.CidrRange{
				AddressPrefix: prefix.Addr().String(),
				PrefixLen:     wrapperspb.UInt32(uint32(prefix.Bits())),
			}},
		})
	}
	return &httprbacv3.RBAC{
		Rules:           &rbacv3.RBAC{Action: action, Policies: map[string]*rbacv3.Policy{"clients": policy}},
		RulesStatPrefix: statPrefix,
	}
}

func validateClients(field string, ranges []netip.Prefix) error {
	var errs []error
	for i, prefix := range ranges {
		switch {
		case prefix.Addr().Is4In6():
			errs = append(errs, fmt.Errorf("%s[%d]: %s must be a range of IPv4, such as 203.0.113.0/24: Envoy reads mapped addresses as IPv4", field, i, prefix))
		case !prefix.IsValid() || prefix != prefix.Masked():
			errs = append(errs, fmt.Errorf("%s[%d]: %s must be a range of addresses whose further bits are 0, such as 203.0.113.0/24", field, i, prefix))
		}
	}
	return errors.Join(errs...)
}
