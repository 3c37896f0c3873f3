// Package admission says which images may run in the project's clusters: its
// Binary Authorization policy, of which a project has one.
package admission

import (
	"fmt"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/binaryauthorization"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Admission is the policy.
type Admission struct {
	pulumi.ResourceState
}

// Args say which images may run.
type Args struct {
	// Repositories are paths, such as us-central1-docker.pkg.dev/project/repository.
	Repositories []string
}

// New sets the policy. When it is deleted, the project has Google's default again,
// which allows all.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Admission, error) {
	a := &Admission{}
	if err := ctx.RegisterComponentResource("grpc-edge:admission:Admission", name, a, opts...); err != nil {
		return nil, fmt.Errorf("registering admission %q: %w", name, err)
	}
	var allowed binaryauthorization.PolicyAdmissionWhitelistPatternArray
	for _, repository := range args.Repositories {
		allowed = append(allowed, binaryauthorization.PolicyAdmissionWhitelistPatternArgs{
			// Two asterisks are whatever is below, slashes included (Binary
			// Authorization, "Policy reference", exempt images).
			NamePattern: pulumi.String(repository + "/**"),
		})
	}
	_, err := binaryauthorization.NewPolicy(ctx, name, &binaryauthorization.PolicyArgs{
		AdmissionWhitelistPatterns: allowed,
		// Google's own images, such as those of GKE's system pods.
		GlobalPolicyEvaluationMode: pulumi.String("ENABLE"),
		DefaultAdmissionRule: binaryauthorization.PolicyDefaultAdmissionRuleArgs{
			EvaluationMode:  pulumi.String("ALWAYS_DENY"),
			EnforcementMode: pulumi.String("ENFORCED_BLOCK_AND_AUDIT_LOG"),
		},
	}, pulumi.Parent(a))
	if err != nil {
		return nil, fmt.Errorf("setting the Binary Authorization policy: %w", err)
	}
	return a, ctx.RegisterResourceOutputs(a, pulumi.Map{})
}
