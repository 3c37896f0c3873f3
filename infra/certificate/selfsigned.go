package certificate

import (
	"fmt"

	"github.com/pulumi/pulumi-tls/sdk/v5/go/tls"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Lifetimes of the stack's own authority in hours. Clients have to be given a new
// authority, so it lives longer than the certificates it signs.
const (
	day              = 24
	authorityLife    = 5 * 365 * day
	authorityRenewal = 365 * day
)

// renewal returns how long before its expiry `pulumi up` renews a certificate: a third of
// its lifetime, as cert-manager does it ("Certificate resource", renewBefore).
func renewal(life int) int { return life / 3 }

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
	key, request, err := c.newRequest(ctx, name, args)
	if err != nil {
		return err
	}
	life := args.Certificate.LifetimeDays * day
	leaf, err := tls.NewLocallySignedCert(ctx, name+"-leaf", &tls.LocallySignedCertArgs{
		CertRequestPem:      request.CertRequestPem,
		CaPrivateKeyPem:     authorityKey.PrivateKeyPem,
		CaCertPem:           authority.CertPem,
		AllowedUses:         pulumi.ToStringArray([]string{"digital_signature", "server_auth"}),
		ValidityPeriodHours: pulumi.Int(life),
		EarlyRenewalHours:   pulumi.Int(renewal(life)),
	}, pulumi.Parent(c))
	if err != nil {
		return fmt.Errorf("signing the leaf: %w", err)
	}
	c.Chain, c.Authority = leaf.CertPem, authority.CertPem
	c.Key = pulumi.ToSecret(key.PrivateKeyPem).(pulumi.StringOutput)
	return nil
}

// newRequest creates the leaf's key and a certificate request for it.
func (c *Certificate) newRequest(ctx *pulumi.Context, name string, args *Args) (*tls.PrivateKey, *tls.CertRequest, error) {
	key, err := c.newKey(ctx, name+"-leaf")
	if err != nil {
		return nil, nil, err
	}
	request, err := tls.NewCertRequest(ctx, name+"-leaf", &tls.CertRequestArgs{
		PrivateKeyPem: key.PrivateKeyPem,
		// The common name is no DNS name: clients check only the alternative names, and a
		// common name has at most 64 characters (RFC 5280).
		Subject:     tls.CertRequestSubjectArgs{CommonName: pulumi.String("grpc-edge")},
		DnsNames:    pulumi.ToStringArray(args.DNSNames),
		IpAddresses: args.IPAddresses,
	}, pulumi.Parent(c))
	if err != nil {
		return nil, nil, fmt.Errorf("requesting the leaf: %w", err)
	}
	return key, request, nil
}

// newKey creates a P-256 key. It is as strong as 3072-bit RSA (NIST SP 800-57), and much
// cheaper in each handshake.
func (c *Certificate) newKey(ctx *pulumi.Context, name string) (*tls.PrivateKey, error) {
	key, err := tls.NewPrivateKey(ctx, name, &tls.PrivateKeyArgs{
		Algorithm:  pulumi.String("ECDSA"),
		EcdsaCurve: pulumi.String("P256"),
	}, pulumi.Parent(c))
	if err != nil {
		return nil, fmt.Errorf("creating private key %q: %w", name, err)
	}
	return key, nil
}
