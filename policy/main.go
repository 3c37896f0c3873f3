// Command policy is a Pulumi policy pack: it checks the rules of invariant on every
// resource, and fails a preview with all violations, before anything is changed.
//
//	pulumi preview --policy-pack policy
package main

import (
	"context"
	"fmt"
	"os"
	"sync"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/property"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/policyx"

	"example.com/grpc-edge/policy/invariant"
)

func main() {
	if err := policyx.Main(pack); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// pack returns the policy pack, with one policy for each rule, so that each can be
// configured by its name.
func pack(ctx *pulumi.Context) (policyx.PolicyPack, error) {
	var policies []policyx.Policy
	s := &seen{inputs: map[string]property.Map{}}
	for _, rule := range invariant.Rules(invariant.SettingsOf(ctx.GetConfig)) {
		policies = append(policies, s.policy(rule))
	}
	return policyx.NewPolicyPack("grpc-edge", semver.MustParse("1.0.0"), policyx.EnforcementLevelMandatory, policies)
}

// seen holds the inputs of each resource, by URN, for the rules that see all resources.
// The engine passes outputs to those rules. A resource whose provider is not configured
// yet, such as that of a cluster in its first preview, has no outputs.
type seen struct {
	mu     sync.Mutex
	inputs map[string]property.Map
}

// remember stores the inputs of a resource and returns it.
func (s *seen) remember(r policyx.AnalyzerResource) invariant.Resource {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.inputs[r.URN] = r.Properties
	return resource(r, r.Properties)
}

// all returns the resources of the stack. A resource that this run does not touch, as with
// --target, was not seen before, and has outputs.
func (s *seen) all(list []policyx.AnalyzerResource) []invariant.Resource {
	s.mu.Lock()
	defer s.mu.Unlock()
	var resources []invariant.Resource
	for _, r := range list {
		properties, known := s.inputs[r.URN]
		if !known {
			properties = r.Properties
		}
		resources = append(resources, resource(r, properties))
	}
	return resources
}

func resource(r policyx.AnalyzerResource, properties property.Map) invariant.Resource {
	return invariant.Resource{Type: r.Type, Name: r.Name, URN: r.URN, Properties: properties}
}

// policy returns a rule as a policy of the engine, which prints the description above each
// message.
func (s *seen) policy(rule invariant.Rule) policyx.Policy {
	description := rule.What + " " + rule.Why + " (" + rule.Source + ")"
	if rule.OfStack() {
		return policyx.NewStackValidationPolicy(rule.Name, policyx.StackValidationPolicyArgs{
			Description: description, EnforcementLevel: policyx.EnforcementLevelMandatory,
			ValidateStack: func(_ context.Context, args policyx.StackValidationArgs) error {
				report(args.Manager, rule.Check(s.all(args.Resources)...))
				return nil
			},
		})
	}
	return policyx.NewResourceValidationPolicy(rule.Name, policyx.ResourceValidationPolicyArgs{
		Description: description, EnforcementLevel: policyx.EnforcementLevelMandatory,
		ValidateResource: func(_ context.Context, args policyx.ResourceValidationArgs) error {
			report(args.Manager, rule.Check(s.remember(args.Resource)))
			return nil
		},
	})
}

func report(manager policyx.PolicyManager, violations []invariant.Violation) {
	for _, v := range violations {
		manager.ReportViolation(v.String(), v.Resource.URN)
	}
}
