package delivery

import (
	"fmt"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/kms"
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/storage"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/internal/deliverynames"
)

// state grants a job its access to Pulumi's state.
func (b *builder) state(j job, a account) error {
	_, err := storage.NewBucketIAMMember(b.ctx, b.name+"-"+j.role+"-state", &storage.BucketIAMMemberArgs{
		Bucket: pulumi.String(deliverynames.Bucket(b.Project)), Role: pulumi.String(j.bucket), Member: a.member,
	}, b.parent)
	if err != nil {
		return fmt.Errorf("letting the %s use the state: %w", j.role, err)
	}
	if j.role == planner.role {
		if err := b.keepPlans(a); err != nil {
			return err
		}
	}
	_, err = kms.NewCryptoKeyIAMMember(b.ctx, b.name+"-"+j.role+"-secrets", &kms.CryptoKeyIAMMemberArgs{
		CryptoKeyId: pulumi.String(deliverynames.Key(b.Project, b.Region, b.Stack)), Role: pulumi.String(j.key), Member: a.member,
	}, b.parent)
	if err != nil {
		return fmt.Errorf("letting the %s read secrets: %w", j.role, err)
	}
	return nil
}

// keepPlans lets the planner write plans beside the state, which it may only read.
// Their prefix is that of `make plan KEEP=` (cmd/delivery).
func (b *builder) keepPlans(a account) error {
	_, err := storage.NewBucketIAMMember(b.ctx, b.name+"-planner-plans", &storage.BucketIAMMemberArgs{
		Bucket: pulumi.String(deliverynames.Bucket(b.Project)), Role: pulumi.String(writes), Member: a.member,
		// The name of an object in conditions (Cloud Storage, "IAM Conditions").
		Condition: storage.BucketIAMMemberConditionArgs{
			Title:      pulumi.String("only-plans"),
			Expression: pulumi.Sprintf("resource.name.startsWith('projects/_/buckets/%s/objects/delivery/%s/')", deliverynames.Bucket(b.Project), b.Stack),
		},
	}, b.parent)
	if err != nil {
		return fmt.Errorf("letting the planner keep plans: %w", err)
	}
	return nil
}
