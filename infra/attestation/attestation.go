// Package attestation signs images, so that Binary Authorization can tell images that the
// deployer pushed from all others. A Cloud KMS key signs the digest. The signature is kept
// in Container Analysis, attached to a note.
package attestation

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"maps"
	"path"
	"slices"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/containeranalysis"
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/kms"
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/organizations"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/infra/config"
)

// Signer signs with one key.
type Signer struct {
	pulumi.ResourceState

	// Note is the full name of the note that attestations are attached to.
	Note pulumi.StringOutput
	// PublicKey verifies signatures; it is PEM. KeyID names the key in a signature.
	PublicKey pulumi.StringOutput
	KeyID     string

	key  config.SigningKey
	made map[string]pulumi.Resource // by reference
}

// Args describe the key that signs.
type Args struct {
	Project string
	// NoteName is unique in the project.
	NoteName string
	Key      config.SigningKey
	// Ready waits for the APIs of Container Analysis and Cloud KMS.
	Ready pulumi.ResourceOrInvokeOption
}

// New creates the note.
func New(ctx *pulumi.Context, component string, args *Args, opts ...pulumi.ResourceOption) (*Signer, error) {
	// Binary Authorization spells the names of Cloud KMS keys in this form ("Create
	// attestors").
	s := &Signer{key: args.Key, KeyID: "//cloudkms.googleapis.com/v1/" + args.Key.Name(), made: map[string]pulumi.Resource{}}
	if err := ctx.RegisterComponentResource("grpc-edge:attestation:Signer", component, s, opts...); err != nil {
		return nil, fmt.Errorf("registering signer %q: %w", component, err)
	}
	note, err := containeranalysis.NewNote(ctx, component, &containeranalysis.NoteArgs{
		Name: pulumi.String(args.NoteName),
		AttestationAuthority: containeranalysis.NoteAttestationAuthorityArgs{
			Hint: containeranalysis.NoteAttestationAuthorityHintArgs{HumanReadableName: pulumi.String("Pushed by the deployer of " + args.NoteName)},
		},
	}, pulumi.Parent(s))
	if err != nil {
		return nil, fmt.Errorf("creating the note for attestations: %w", err)
	}
	s.Note = pulumi.Sprintf("projects/%s/notes/%s", args.Project, note.Name)
	// The API must be usable first, which it is not in a first preview.
	version := kms.GetKMSCryptoKeyVersionOutput(ctx, kms.GetKMSCryptoKeyVersionOutputArgs{
		CryptoKey: pulumi.String(args.Key.Key), Version: pulumi.Int(args.Key.Version),
	}, pulumi.Parent(s), args.Ready)
	s.PublicKey = version.PublicKeys().Index(pulumi.Int(0)).Pem()
	return s, ctx.RegisterResourceOutputs(s, pulumi.Map{"note": s.Note})
}

// Attest attests one of the stack's own images, whose reference is REPOSITORY/NAME@DIGEST.
// It returns pushed, which is the same reference once the image is in the registry.
// Whatever uses the returned value also waits for the attestation.
//
// An attestation is for one image and one key, and its name is made from both. It is kept
// as long as a deployment uses the image, including as the stable version beside a canary.
// The first deployment without the image deletes it at its end. An ECDSA signature differs
// each time, so a new signature is not treated as a change.
func (s *Signer) Attest(ctx *pulumi.Context, reference string, pushed pulumi.StringOutput) (pulumi.StringOutput, error) {
	if _, made := s.made[reference]; !made { // a canary may be the same image as the stable one
		if err := s.attest(ctx, reference, pushed); err != nil {
			return pulumi.StringOutput{}, fmt.Errorf("attesting %s: %w", reference, err)
		}
	}
	return pulumi.OutputWithDependencies(ctx.Context(), pushed, s.made[reference]).(pulumi.StringOutput), nil
}

func (s *Signer) attest(ctx *pulumi.Context, reference string, pushed pulumi.StringOutput) error {
	image, err := name.NewDigest(reference)
	if err != nil {
		return err
	}
	payload, err := payloadOf(image)
	if err != nil {
		return err
	}
	s.made[reference], err = containeranalysis.NewOccurence(ctx, path.Base(image.Context().RepositoryStr())+"-"+s.short(reference), &containeranalysis.OccurenceArgs{
		NoteName:    s.Note,
		ResourceUri: pulumi.String("https://" + reference),
		Attestation: containeranalysis.OccurenceAttestationArgs{
			SerializedPayload: pulumi.String(base64.StdEncoding.EncodeToString(payload)),
			Signatures: containeranalysis.OccurenceAttestationSignatureArray{containeranalysis.OccurenceAttestationSignatureArgs{
				PublicKeyId: pulumi.String(s.KeyID), Signature: s.signature(ctx, reference, payload, pushed),
			}},
		},
	}, pulumi.Parent(s), pulumi.IgnoreChanges([]string{"attestation"}))
	return err
}

// Attestations returns the attestations made so far. What requires them must depend on
// them.
func (s *Signer) Attestations() []pulumi.Resource { return slices.Collect(maps.Values(s.made)) }

// short returns a short hash that differs for each pair of image and key.
func (s *Signer) short(reference string) string {
	sum := sha256.Sum256([]byte(reference + "\n" + s.key.Name()))
	return hex.EncodeToString(sum[:6])
}

// signature signs once the image is in the registry, with the identity of the gcp provider.
// A preview signs nothing.
func (s *Signer) signature(ctx *pulumi.Context, reference string, payload []byte, pushed pulumi.StringOutput) pulumi.StringOutput {
	if ctx.DryRun() {
		return pulumi.UnsafeUnknownOutput(nil).ApplyT(func(any) string { return "" }).(pulumi.StringOutput)
	}
	client := organizations.GetClientConfigOutput(ctx, pulumi.Parent(s))
	made := pulumi.All(client.AccessToken(), s.PublicKey, pushed).ApplyTWithContext(ctx.Context(),
		func(background context.Context, known []any) (string, error) {
			token, isText := known[0].(string)
			public, isKey := known[1].(string)
			if !isText || !isKey {
				return "", fmt.Errorf("signing %s: the gcp provider gave no access token or no public key", reference)
			}
			signature, err := sign(background, s.key.Name(), public, token, payload)
			if err != nil {
				return "", fmt.Errorf("signing %s: %w", reference, err)
			}
			return base64.StdEncoding.EncodeToString(signature), nil
		}).(pulumi.StringOutput)
	// The token is secret, but the signature is not.
	return pulumi.Unsecret(made).(pulumi.StringOutput)
}
