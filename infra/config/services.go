package config

import (
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"example.com/grpc-edge/services/catalog"
)

// Defaults for a pod of a service: little, as most services in Go need.
const (
	serviceCPU            = "50m"
	serviceMemory         = "64Mi"
	serviceStartupSeconds = 120
)

// serviceDefaults returns the defaults for services.
func (r *reader) serviceDefaults() catalog.Spec {
	replicas := r.replicas("grpc-edge:serviceReplicas")
	return catalog.Spec{
		CPU: serviceCPU, Memory: serviceMemory,
		Replicas: replicas.Least, ReplicasMax: replicas.Most, ScaleAtCPUMillicores: replicas.AtMillicores,
		MaxCalls:           r.integer("grpc-edge:serviceMaxCalls", 0, 100_000),
		MinReadySeconds:    r.integer("grpc-edge:serviceMinReadySeconds", 0, 300),
		TerminationSeconds: r.integer("grpc-edge:terminationSeconds", 10, 3600),
		StartupSeconds:     serviceStartupSeconds,
	}
}

// services returns the services of the repository, with the changes that the stack's key
// makes.
func (r *reader) services(c *Config) []catalog.Service {
	const key = "grpc-edge:services"
	overrides := map[string]any{}
	value, ok := r.value(key, servicesSchema())
	if ok && json.Unmarshal([]byte(value), &overrides) != nil {
		r.refuse(key, value, "an object of services by name; docs/services.md lists their fields")
	}
	list, problems, err := catalog.Read(r.root, overrides, c.Service)
	if err != nil {
		r.report(key, "cannot be checked: %v", err)
	}
	for _, p := range problems {
		r.report(p.Key, "%s", p.Message)
	}
	for _, s := range list {
		r.checkService(c, s)
		if c.Cluster.Autopilot {
			r.checkRequests(s)
		}
		if c.Edge.ZoneAware && !s.Private {
			r.checkZoneNames(c.Cluster.Zones, s.Name, list)
		}
	}
	return list
}

// checkService checks that the rest of the stack provides what a service needs.
func (r *reader) checkService(c *Config, s catalog.Service) {
	if s.Internet && !c.Network.NAT {
		r.report("grpc-edge:nat", "is false, but service %s needs the internet; set it to true", s.Name)
	}
	if !s.Built() && !catalog.OfGoogle(s.Image) && !c.Network.NAT && !c.Network.DualStack { // by IPv6, a registry may be reachable
		r.report("grpc-edge:nat", "is false, but nodes need it to pull the image of service %s from outside Google Cloud; set it to true, or copy the image to Artifact Registry", s.Name)
	}
	if i := slices.IndexFunc(s.Egress, func(way catalog.Egress) bool { return isPublic(way.CIDR) }); i >= 0 && !c.Network.NAT {
		r.report("grpc-edge:nat", "is false, but service %s has an egress to the public addresses %s; set it to true", s.Name, s.Egress[i].CIDR)
	}
	if i := slices.IndexFunc(s.Egress, func(way catalog.Egress) bool { return strings.Contains(way.CIDR, ":") }); i >= 0 && !c.Network.DualStack {
		r.report("grpc-edge:dualStack", "is false, but service %s has an egress to the IPv6 addresses %s; set it to true", s.Name, s.Egress[i].CIDR)
	}
	for name, secret := range s.Secrets {
		if key := "grpc-edge:services"; secret.Value != "" && !r.secret(key) {
			r.report(key, "holds the secret %s of service %s in the clear; set it with: pulumi config set --secret --path '%s.%s.secrets.%s.value' VALUE",
				name, s.Name, key, s.Name, name)
		}
	}
}

// mostServiceRoles limits the roles that all services together have with delivery. The condition
// that says what CI may grant lists them and the role of nodes, and takes 10 (IAM, "Set limits
// on granting roles"). A condition that accepts either of two such lists does not help. The provider
// sends several grants in one request, and their roles may come from both lists
// (terraform-provider-google, tpgiamresource: IamWithBatching).
const mostServiceRoles = 9

// tooMuch lists the roles that cover every service of Google (IAM, "Basic roles"), and those by which
// one acts as any account of the project (IAM, "Service account impersonation").
var tooMuch = []string{
	"roles/owner", "roles/editor", "roles/viewer", "roles/admin", "roles/writer", "roles/reader",
	"roles/iam.serviceAccountTokenCreator", "roles/iam.serviceAccountUser", "roles/iam.serviceAccountKeyAdmin", "roles/iam.workloadIdentityUser",
}

// checkRoles checks the roles of services that CI grants. CI can grant them to itself, too, so
// none of them may hold permissions to change policies (IAM, "Set limits on granting roles",
// Warning). Many predefined roles of administrators and owners do.
func (r *reader) checkRoles(c *Config) {
	if !c.Delivery.Enabled() {
		return
	}
	if roles := c.ServiceRoles(); len(roles) > mostServiceRoles {
		r.report("grpc-edge:services", "and services/*/service.yaml have %d different roles, but where %s or %s is set there may be %d; "+
			"replace some by a custom role that holds their permissions, or have an owner grant some to the pods' principals (docs/services.md)",
			len(roles), repositoryKey, cloudBuildKey, mostServiceRoles)
	}
	for _, s := range c.Services {
		for i, role := range s.Roles {
			lower := strings.ToLower(role.Role)
			if slices.Contains(tooMuch, role.Role) {
				r.report(s.At("roles"), "[%d] is %s, for the whole project, which CI could grant to itself; it must be a narrower role such as roles/pubsub.publisher, or a custom one",
					i, role.Role)
			} else if strings.HasSuffix(lower, "admin") || strings.HasSuffix(lower, "owner") {
				r.warnings = append(r.warnings, fmt.Sprintf("%s[%d] is %s: if it may change policies, CI, which grants it, can give itself more rights; "+
					"choose a narrower role if there is one, such as roles/pubsub.publisher instead of roles/pubsub.admin", s.At("roles"), i, role.Role))
			}
		}
	}
}

// internalRanges lists the blocks that a VPC may use and the internet does not (VPC, "Valid
// IPv4 ranges"), and link-local addresses.
var internalRanges = []string{
	"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "169.254.0.0/16", "192.0.0.0/24", "192.0.2.0/24",
	"192.88.99.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "240.0.0.0/4",
}

// isPublic reports whether a block, which the catalog checks, has IPv4 addresses of the
// internet. Cloud NAT is for these: a public IPv6 address needs none.
func isPublic(cidr string) bool {
	block, err := netip.ParsePrefix(cidr)
	return err == nil && block.Addr().Is4() && !slices.ContainsFunc(internalRanges, func(internal string) bool {
		around := netip.MustParsePrefix(internal)
		return around.Bits() <= block.Bits() && around.Contains(block.Addr())
	})
}

// checkZoneNames checks the names that a service has in each zone for zone-aware routing.
func (r *reader) checkZoneNames(zones []string, service string, all []catalog.Service) {
	for _, zone := range zones {
		name := catalog.ZoneName(service, zone)
		if len(name) > catalog.MaxLabel {
			r.report(catalog.Dir+"/"+service, "is %s in one zone, which has more than %d characters; rename it, or set grpc-edge:zoneAware to false", name, catalog.MaxLabel)
		}
		if slices.ContainsFunc(all, func(s catalog.Service) bool { return s.Name == name }) {
			r.report(catalog.Dir+"/"+name, "has the name of service %s in one zone; rename one of them, or set grpc-edge:zoneAware to false", service)
		}
	}
}

// GoogleAPIs reports whether any service calls Google's APIs.
func (c *Config) GoogleAPIs() bool {
	return slices.ContainsFunc(c.Services, func(s catalog.Service) bool { return s.GoogleAPIs })
}

// servicesSchema describes the key `services`. The catalog checks its values.
func servicesSchema() *Schema {
	spec := schemaOf(new(catalog.Spec))
	roles := spec.Properties["roles"]
	roles.Items = &Schema{AnyOf: []*Schema{{Type: "string"}, roles.Items}}
	secret := spec.Properties["secrets"].AdditionalProperties.(*Schema)
	secret.Properties["value"] = written(secret.Properties["value"])
	return &Schema{Type: "object", AdditionalProperties: spec}
}

// ServiceRoles lists the roles of Google Cloud that services ask for, each once.
func (c *Config) ServiceRoles() []string {
	var names []string
	for _, s := range c.Services {
		for _, role := range s.Roles {
			names = append(names, role.Role)
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}

// ServiceSecrets lists the secrets of the stack's project in Secret Manager that
// services name, each once.
func (c *Config) ServiceSecrets() []string {
	var names []string
	for _, s := range c.Services {
		for _, secret := range s.Secrets {
			if project, name, _ := secret.Parts(c.Project); project == c.Project {
				names = append(names, name)
			}
		}
	}
	slices.Sort(names)
	return slices.Compact(names)
}
