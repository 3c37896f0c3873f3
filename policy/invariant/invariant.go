// Package invariant holds the rules that every resource of every stack must follow, as a
// table. They automate what a Google security review asks for.
//
// The rules see resources as Pulumi's engine does, by type token and properties. The tests
// of infra/ run them on each stack, and the policy pack next to this package runs the same
// rules at preview.
//
// A value that a preview does not know yet violates no rule. `pulumi up` knows it before
// the resource is created, and checks it then.
package invariant

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// Resource describes a resource to a rule.
type Resource struct {
	// Type is Pulumi's type token, such as gcp:container/cluster:Cluster.
	Type string
	// Name is the name in Pulumi, not in the cloud.
	Name string
	// URN is optional: it is only returned in violations.
	URN string
	// Properties holds the inputs; unknown and secret values are marked as such.
	Properties property.Map
}

// Rule is one invariant.
type Rule struct {
	// Name is short, of lower case letters, digits and hyphens, and never changes: users of
	// the policy pack configure the rule by it.
	Name string
	// What describes what must hold, and Why what happens otherwise.
	What, Why string
	// Source is the authority for the rule: the title of a page, or a standard and its
	// section.
	Source string

	resource func(Resource) []finding   // looks at one resource,
	stack    func([]Resource) []finding // or at all of them together
}

// Violation describes a resource that violates a rule.
type Violation struct {
	Rule     string
	Resource Resource
	// Property is the path of the wrong value. Problem describes what it is and what it may
	// be.
	Property, Problem string
}

// String returns the resource, the property, and what the property may be.
func (v Violation) String() string {
	return fmt.Sprintf("%s %q: %s %s", v.Resource.Type, v.Resource.Name, v.Property, v.Problem)
}

// finding is a violation without its rule.
type finding struct {
	resource          Resource
	property, problem string
}

// OfStack reports whether the rule needs to see all resources of a stack at once.
func (r Rule) OfStack() bool { return r.stack != nil }

// Check returns the violations of resources. It checks each by itself, or for a rule
// OfStack all of them, which must then be the whole stack.
func (r Rule) Check(resources ...Resource) []Violation {
	var found []finding
	if r.OfStack() {
		found = r.stack(resources)
	} else {
		for _, resource := range resources {
			for _, f := range r.resource(resource) {
				f.resource = resource
				found = append(found, f)
			}
		}
	}
	var list []Violation
	for _, f := range found {
		list = append(list, Violation{r.Name, f.resource, f.property, f.problem})
	}
	return list
}

// Settings holds the parts of the stack's configuration that rules need.
type Settings struct {
	// Project is the Google Cloud project; empty if unknown, and then it is not checked.
	Project string
	// DeletionProtection is the value in the stack, "true" or "false". If it is empty,
	// either value of the resource is accepted.
	DeletionProtection string
	// SigningKey is the key that signs the stack's images; empty for none.
	SigningKey string
}

// SettingsOf reads the settings from a stack's configuration.
func SettingsOf(config func(key string) (string, bool)) Settings {
	var s Settings
	s.Project, _ = config("gcp:project")
	s.DeletionProtection, _ = config("grpc-edge:deletionProtection")
	s.SigningKey, _ = config("grpc-edge:signingKey")
	return s
}

// Rules returns all rules, in the order in which a reviewer would ask.
func Rules(s Settings) []Rule {
	return slices.Concat(clusterRules(s), accessRules(), nodeRules(), networkRules(), trafficRules(),
		identityRules(), registryRules(s), admissionRules(s), podRules(), namespaceRules(), secretRules(), projectRules())
}

// on returns a check of resources of certain types. The value holds all properties of the
// resource.
func on(check func(value) []finding, types ...string) func(Resource) []finding {
	return func(r Resource) []finding {
		if !slices.Contains(types, r.Type) {
			return nil
		}
		return check(all(r))
	}
}

// Check returns the violations of all rules by the resources of a stack.
func Check(s Settings, resources []Resource) []Violation {
	var list []Violation
	for _, rule := range Rules(s) {
		list = append(list, rule.Check(resources...)...)
	}
	return list
}

// Text returns the violations, one a line, each with its rule.
func Text(violations []Violation) string {
	var lines []string
	for _, v := range violations {
		lines = append(lines, v.Rule+": "+v.String())
	}
	return strings.Join(lines, "\n")
}
