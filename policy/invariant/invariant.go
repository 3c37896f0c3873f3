// Package invariant holds what every resource of every stack keeps to, as a table
// of rules: what a Google security review asks for, checked by a machine.
//
// The rules see resources as Pulumi's engine does, by type token and properties.
// The tests of infra/ run them on each stack, and the policy pack next to this
// package runs the same ones at preview.
//
// A value that a preview does not know yet breaks no rule: it is judged by `up`,
// which knows it before the resource is created.
package invariant

import (
	"fmt"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/property"
)

// Resource is what a rule sees of a resource.
type Resource struct {
	// Type is Pulumi's type token, such as gcp:container/cluster:Cluster.
	Type string
	// Name is that in Pulumi, not in the cloud.
	Name string
	// URN is optional: it only comes back in violations.
	URN string
	// Properties are the inputs; unknown and secret values are marked as such.
	Properties property.Map
}

// Rule is one invariant.
type Rule struct {
	// Name is short, of lower case letters, digits and hyphens, and never changes:
	// it is how a user of the policy pack configures the rule.
	Name string
	// What says what must hold, Why what happens otherwise.
	What, Why string
	// Source is who says so: the title of a page, or a standard and its section.
	Source string

	resource func(Resource) []finding   // looks at one resource,
	stack    func([]Resource) []finding // or at all of them together
}

// Violation is a rule that a resource breaks.
type Violation struct {
	Rule     string
	Resource Resource
	// Property is the path of the value at fault; Problem says what it is, and what
	// it may be.
	Property, Problem string
}

// String names the resource, the property, and what the property may be.
func (v Violation) String() string {
	return fmt.Sprintf("%s %q: %s %s", v.Resource.Type, v.Resource.Name, v.Property, v.Problem)
}

// finding is a violation before it is known of which rule.
type finding struct {
	resource          Resource
	property, problem string
}

// OfStack tells whether the rule needs to see all resources of a stack at once.
func (r Rule) OfStack() bool { return r.stack != nil }

// Check checks resources: each by itself, or for a rule OfStack all of them, which
// must then be the whole stack.
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

// Settings are what rules ask of the stack's own configuration.
type Settings struct {
	// Project is the Google Cloud project; empty if not known, and then not checked.
	Project string
	// DeletionProtection is what the stack says, "true" or "false"; empty if it says
	// nothing, and then either will do.
	DeletionProtection string
	// SigningKey is what signs the stack's images; empty if nothing does.
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

// Rules is the whole table, in the order in which a reviewer would ask.
func Rules(s Settings) []Rule {
	return slices.Concat(clusterRules(s), accessRules(), nodeRules(), networkRules(), trafficRules(),
		identityRules(), registryRules(s), admissionRules(s), podRules(), namespaceRules(), secretRules(), projectRules())
}

// on checks resources of certain types; the value is all that the resource has.
func on(check func(value) []finding, types ...string) func(Resource) []finding {
	return func(r Resource) []finding {
		if !slices.Contains(types, r.Type) {
			return nil
		}
		return check(all(r))
	}
}

// Check checks all rules on all resources of a stack.
func Check(s Settings, resources []Resource) []Violation {
	var list []Violation
	for _, rule := range Rules(s) {
		list = append(list, rule.Check(resources...)...)
	}
	return list
}

// Text is a list of violations, one a line, each with its rule.
func Text(violations []Violation) string {
	var lines []string
	for _, v := range violations {
		lines = append(lines, v.Rule+": "+v.String())
	}
	return strings.Join(lines, "\n")
}
