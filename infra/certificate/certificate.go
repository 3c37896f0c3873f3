// Package certificate is the certificate that Envoy shows to clients: one that
// the user brings, or one signed by a certificate authority of the stack's own.
package certificate

import (
	"fmt"

	"github.com/pulumi/pulumi-tls/sdk/v5/go/tls"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Lifetimes in hours. `pulumi up` renews a certificate in the last part of its
// life; clients have to learn of a new authority, so that one lives longer.
const (
	day              = 24
	leafValidity     = 90 * day
	leafRenewal      = 30 * day
	authorityLife    = 5 * 365 * day
	authorityRenewal = 365 * day
)

// Certificate is a chain with its private key, in PEM.
type Certificate struct {
	pulumi.ResourceState

	// Chain has the leaf first. Key is a secret.
	Chain, Key pulumi.StringOutput
	// Authority is the certificate that clients have to trust; empty if they
	// already do, as for a provided certificate of a public authority.
	Authority pulumi.StringOutput
}

// Args choose between the two kinds.
type Args struct {
	// DNSName and IPAddress are what a self-signed certificate is for.
	DNSName   string
	IPAddress pulumi.StringInput
	// Chain and Key, if not empty, are taken as they are.
	Chain, Key string
}

// New makes the certificate.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Certificate, error) {
	c := &Certificate{}
	if err := ctx.RegisterComponentResource("grpc-edge:certificate:Certificate", name, c, opts...); err != nil {
		return nil, fmt.Errorf("registering certificate %q: %w", name, err)
	}
	if args.Chain != "" {
		c.Chain = pulumi.String(args.Chain).ToStringOutput()
		c.Key = pulumi.ToSecret(pulumi.String(args.Key)).(pulumi.StringOutput)
		c.Authority = pulumi.String("").ToStringOutput()
	} else if err := c.selfSign(ctx, name, args); err != nil {
		return nil, fmt.Errorf("making certificate %q: %w", name, err)
	}
	return c, ctx.RegisterResourceOutputs(c, pulumi.Map{
		"chain": c.Chain, "key": c.Key, "authority": c.Authority,
	})
}

func (c *Certificate) selfSign(ctx *pulumi.Context, name string, args *Args) error {
	authorityKey, err := c.newKey(ctx, name+"-authority")
	if err != nil {
		return err
	}
	authority, err := tls.NewSelfSignedCert(ctx, name+"-authority", &tls.SelfSignedCertArgs{
		PrivateKeyPem:       authorityKey.PrivateKeyPem,
		Subject:             tls.SelfSignedCertSubjectArgs{CommonName: pulumi.String("grpc-edge authority")},
		IsCaCertificate:     pulumi.Bool(true),
		SetSubjectKeyId:     pulumi.Bool(true),
		AllowedUses:         pulumi.ToStringArray([]string{"cert_signing", "crl_signing"}),
		ValidityPeriodHours: pulumi.Int(authorityLife),
		EarlyRenewalHours:   pulumi.Int(authorityRenewal),
	}, pulumi.Parent(c))
	if err != nil {
		return fmt.Errorf("signing the authority: %w", err)
	}
	leafKey, err := c.newKey(ctx, name+"-leaf")
	if err != nil {
		return err
	}
	request, err := tls.NewCertRequest(ctx, name+"-leaf", &tls.CertRequestArgs{
		PrivateKeyPem: leafKey.PrivateKeyPem,
		// The DNS name is not here: clients only look at the alternative names, and
		// a common name ends after 64 characters (RFC 5280).
		Subject:     tls.CertRequestSubjectArgs{CommonName: pulumi.String("grpc-edge")},
		DnsNames:    pulumi.ToStringArray([]string{args.DNSName}),
		IpAddresses: pulumi.StringArray{args.IPAddress},
	}, pulumi.Parent(c))
	if err != nil {
		return fmt.Errorf("requesting the leaf: %w", err)
	}
	leaf, err := tls.NewLocallySignedCert(ctx, name+"-leaf", &tls.LocallySignedCertArgs{
		CertRequestPem:      request.CertRequestPem,
		CaPrivateKeyPem:     authorityKey.PrivateKeyPem,
		CaCertPem:           authority.CertPem,
		AllowedUses:         pulumi.ToStringArray([]string{"digital_signature", "server_auth"}),
		ValidityPeriodHours: pulumi.Int(leafValidity),
		EarlyRenewalHours:   pulumi.Int(leafRenewal),
	}, pulumi.Parent(c))
	if err != nil {
		return fmt.Errorf("signing the leaf: %w", err)
	}
	c.Chain, c.Authority = leaf.CertPem, authority.CertPem
	c.Key = pulumi.ToSecret(leafKey.PrivateKeyPem).(pulumi.StringOutput)
	return nil
}

// newKey makes a P-256 key: as strong as 3072-bit RSA (NIST SP 800-57), and
// much cheaper in each handshake.
func (c *Certificate) newKey(ctx *pulumi.Context, name string) (*tls.PrivateKey, error) {
	key, err := tls.NewPrivateKey(ctx, name, &tls.PrivateKeyArgs{
		Algorithm:  pulumi.String("ECDSA"),
		EcdsaCurve: pulumi.String("P256"),
	}, pulumi.Parent(c))
	if err != nil {
		return nil, fmt.Errorf("making private key %q: %w", name, err)
	}
	return key, nil
}
