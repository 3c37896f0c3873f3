// Package admission sets the Binary Authorization policy of the project, which decides
// which images may run in its clusters. A project has one such policy.
package admission

import (
	"fmt"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/binaryauthorization"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/infra/attestation"
)

// Admission is the Binary Authorization policy.
type Admission struct {
	pulumi.ResourceState
}

// Args describe which images may run.
type Args struct {
	// Exempt lists patterns of images that need no attestation. A pattern is the whole
	// reference of one image, or a path with ** at its end for all images below it
	// ("AdmissionWhitelistPattern", Binary Authorization API).
	Exempt []string
	// Signer must have attested every other image. With nil, no other image may run.
	Signer  *attestation.Signer
	Project string
	// AttestorName is unique in the project.
	AttestorName string
}

// New sets the policy. Deleting it restores Google's default, which allows all images.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Admission, error) {
	a := &Admission{}
	if err := ctx.RegisterComponentResource("grpc-edge:admission:Admission", name, a, opts...); err != nil {
		return nil, fmt.Errorf("registering admission %q: %w", name, err)
	}
	rule := binaryauthorization.PolicyDefaultAdmissionRuleArgs{
		EvaluationMode:  pulumi.String("ALWAYS_DENY"),
		EnforcementMode: pulumi.String("ENFORCED_BLOCK_AND_AUDIT_LOG"),
	}
	if args.Signer != nil {
		attestor, err := newAttestor(ctx, name, args, pulumi.Parent(a))
		if err != nil {
			return nil, err
		}
		rule.EvaluationMode = pulumi.String("REQUIRE_ATTESTATION")
		rule.RequireAttestationsBies = pulumi.StringArray{pulumi.Sprintf("projects/%s/attestors/%s", args.Project, attestor.Name)}
	}
	var exempt binaryauthorization.PolicyAdmissionWhitelistPatternArray
	for _, pattern := range args.Exempt {
		exempt = append(exempt, binaryauthorization.PolicyAdmissionWhitelistPatternArgs{NamePattern: pulumi.String(pattern)})
	}
	_, err := binaryauthorization.NewPolicy(ctx, name, &binaryauthorization.PolicyArgs{
		AdmissionWhitelistPatterns: exempt,
		// This allows Google's own images, such as those of GKE's system pods.
		GlobalPolicyEvaluationMode: pulumi.String("ENABLE"),
		DefaultAdmissionRule:       rule,
	}, pulumi.Parent(a))
	if err != nil {
		return nil, fmt.Errorf("setting the Binary Authorization policy: %w", err)
	}
	return a, ctx.RegisterResourceOutputs(a, pulumi.Map{})
}

// newAttestor creates the attestor that trusts the signer's key. It depends on the
// attestations: running images must have theirs before one is required, also after a change
// of key.
func newAttestor(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*binaryauthorization.Attestor, error) {
	attestor, err := binaryauthorization.NewAttestor(ctx, name, &binaryauthorization.AttestorArgs{
		Name: pulumi.String(args.AttestorName),
		AttestationAuthorityNote: binaryauthorization.AttestorAttestationAuthorityNoteArgs{
			NoteReference: args.Signer.Note,
			PublicKeys: binaryauthorization.AttestorAttestationAuthorityNotePublicKeyArray{
				binaryauthorization.AttestorAttestationAuthorityNotePublicKeyArgs{
					Id: pulumi.String(args.Signer.KeyID),
					PkixPublicKey: binaryauthorization.AttestorAttestationAuthorityNotePublicKeyPkixPublicKeyArgs{
						PublicKeyPem: args.Signer.PublicKey, SignatureAlgorithm: pulumi.String("ECDSA_P256_SHA256"),
					},
				},
			},
		},
	}, append(opts, pulumi.DependsOn(args.Signer.Attestations()))...)
	if err != nil {
		return nil, fmt.Errorf("creating the attestor: %w", err)
	}
	return attestor, nil
}
