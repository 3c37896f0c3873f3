// Command policy is a Pulumi policy pack: it checks the rules of invariant on every
// resource, and fails a preview with all that it finds, before anything is touched.
//
//	pulumi preview --policy-pack policy
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/blang/semver"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/policyx"

	"grpc-edge/policy/invariant"
)

func main() {
	if err := policyx.Main(pack); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// pack has one policy a rule, so that each can be configured by its name.
func pack(ctx *pulumi.Context) (policyx.PolicyPack, error) {
	var policies []policyx.Policy
	for _, rule := range invariant.Rules(invariant.SettingsOf(ctx.GetConfig)) {
		policies = append(policies, policy(rule))
	}
	return policyx.NewPolicyPack("grpc-edge", semver.MustParse("1.0.0"), policyx.EnforcementLevelMandatory, policies)
}

// policy is a rule for the engine, which puts the description above each message.
func policy(rule invariant.Rule) policyx.Policy {
	description := rule.What + " " + rule.Why + " (" + rule.Source + ")"
	if rule.OfStack() {
		return policyx.NewStackValidationPolicy(rule.Name, policyx.StackValidationPolicyArgs{
			Description: description, EnforcementLevel: policyx.EnforcementLevelMandatory,
			ValidateStack: func(_ context.Context, args policyx.StackValidationArgs) error {
				var resources []invariant.Resource
				for _, r := range args.Resources {
					resources = append(resources, resource(r))
				}
				report(args.Manager, rule.Check(resources...))
				return nil
			},
		})
	}
	return policyx.NewResourceValidationPolicy(rule.Name, policyx.ResourceValidationPolicyArgs{
		Description: description, EnforcementLevel: policyx.EnforcementLevelMandatory,
		ValidateResource: func(_ context.Context, args policyx.ResourceValidationArgs) error {
			report(args.Manager, rule.Check(resource(args.Resource)))
			return nil
		},
	})
}

func resource(r policyx.AnalyzerResource) invariant.Resource {
	return invariant.Resource{Type: r.Type, Name: r.Name, URN: r.URN, Properties: r.Properties}
}

func report(manager policyx.PolicyManager, violations []invariant.Violation) {
	for _, v := range violations {
		manager.ReportViolation(v.String(), v.Resource.URN)
	}
}
