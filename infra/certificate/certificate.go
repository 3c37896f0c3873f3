// Package certificate creates the certificate that Envoy presents to clients: one that the
// user provides, one signed by the stack's own authority, or one from an issuer that the
// user has.
package certificate

import (
	"fmt"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/infra/config"
)

// Certificate is a chain with its private key.
type Certificate struct {
	pulumi.ResourceState

	// Chain and Key are PEM. The chain has the leaf first, and the key is a secret. Both
	// are nil if Secret is set.
	Chain, Key pulumi.StringInput
	// Secret is the name of the Kubernetes Secret in which cert-manager keeps the chain and
	// the key, known once they are there; nil for the other kinds.
	Secret pulumi.StringInput
	// Authority is the certificate that clients have to trust; empty if the user has to
	// know it.
	Authority pulumi.StringOutput
}

// Args describe the certificate and the names it is for.
type Args struct {
	Certificate config.Certificate
	// DNSNames and IPAddresses are the subject alternative names.
	DNSNames    []string
	IPAddresses pulumi.StringArray
	// Labels are for resources that Google bills.
	Labels pulumi.StringMapInput
	// Namespace holds the Secret, Workload mounts it, and InCluster creates objects in the
	// cluster.
	Namespace pulumi.StringInput
	Workload  string
	InCluster *kubernetes.Provider
}

// New creates the certificate.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Certificate, error) {
	c := &Certificate{Authority: pulumi.String("").ToStringOutput()}
	if err := ctx.RegisterComponentResource("grpc-edge:certificate:Certificate", name, c, opts...); err != nil {
		return nil, fmt.Errorf("registering certificate %q: %w", name, err)
	}
	if err := c.make(ctx, name, args); err != nil {
		return nil, fmt.Errorf("creating certificate %q: %w", name, err)
	}
	if c.Secret != nil {
		return c, ctx.RegisterResourceOutputs(c, pulumi.Map{"secret": c.Secret, "authority": c.Authority})
	}
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{
		"chain": c.Chain, "key": c.Key, "authority": c.Authority,
	})
}

func (c *Certificate) make(ctx *pulumi.Context, name string, args *Args) error {
	switch args.Certificate.Kind {
	case config.CertManager:
		return c.askCertManager(ctx, name, args)
	case config.CertificateAuthorityService:
		return c.askPool(ctx, name, args)
	case config.SelfSigned:
		return c.selfSign(ctx, name, args)
	}
	c.Chain = pulumi.String(args.Certificate.PEM)
	c.Key = pulumi.ToSecret(pulumi.String(args.Certificate.KeyPEM)).(pulumi.StringOutput)
	return nil
}
