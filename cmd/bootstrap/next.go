package main

import (
	"context"
	"fmt"

	"example.com/grpc-edge/internal/deliverynames"
	"example.com/grpc-edge/internal/stackfile"
)

// next prints the commands that come after this one.
func (b *bootstrap) next(ctx context.Context) error {
	file, err := stackfile.Read(b.root, b.stack)
	if err != nil {
		return err
	}
	mayUse, err := b.mayUseKey(ctx)
	if err != nil {
		return err
	}
	fmt.Fprint(b.out, "\nNext:\n\n")
	if !mayUse {
		fmt.Fprintf(b.out, `  # You may not use the key yet. Put yourself in the place of YOU:
  gcloud kms keys add-iam-policy-binding %s --keyring %s --location %s --project %s --member user:YOU --role roles/cloudkms.cryptoKeyEncrypterDecrypter
`, b.stack, deliverynames.KeyRing, b.region, b.project)
	}
	// With the file there, `pulumi stack init` adds the data key of the stack to it,
	// encrypted by the key in Cloud KMS.
	stack := fmt.Sprintf("pulumi stack init %s --secrets-provider=%s", b.stack, b.secretsProvider())
	if file.Setting("encryptedkey") != "" {
		stack = "pulumi stack select " + b.stack
	}
	fmt.Fprintf(b.out, `  pulumi login gs://%s
  %s
  pulumi up -s %s --policy-pack policy
  git add %s && git commit -m "Name the project of %s"
`, deliverynames.Bucket(b.project), stack, b.stack, file.Name(), b.stack)
	if b.repository != "" {
		fmt.Fprintf(b.out, `
And make the environment %s in the repository on GitHub, for the branch that is deployed alone, and
with required reviewers if a person approves what is deployed to it:

  https://github.com/%s/settings/environments/new
`, b.stack, b.repository)
	}
	return nil
}
