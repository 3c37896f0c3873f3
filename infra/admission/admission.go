// Package admission says which images may run in the project's clusters: its
// Binary Authorization policy, of which a project has one.
package admission

import (
	"fmt"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/binaryauthorization"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/infra/attestation"
)

// Admission is the policy.
type Admission struct {
	pulumi.ResourceState
}

// Args say which images may run.
type Args struct {
	// Exempt are patterns of images that run without more: the whole reference of one, or
	// with ** at its end of all below a path ("AdmissionWhitelistPattern", Binary
	// Authorization API).
	Exempt []string
	// Signer is whose attestation every other image needs; nil lets no other run.
	Signer  *attestation.Signer
	Project string
	// AttestorName is unique in the project.
	AttestorName string
}

// New sets the policy. When it is deleted, the project has Google's default again,
// which allows all.
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
		// Google's own images, such as those of GKE's system pods.
		GlobalPolicyEvaluationMode: pulumi.String("ENABLE"),
		DefaultAdmissionRule:       rule,
	}, pulumi.Parent(a))
	if err != nil {
		return nil, fmt.Errorf("setting the Binary Authorization policy: %w", err)
	}
	return a, ctx.RegisterResourceOutputs(a, pulumi.Map{})
}

// newAttestor makes the signer's attestations count. It comes after them: when attestations
// begin to be required, or are those of another key, what runs has them already.
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
