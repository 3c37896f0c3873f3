package certificate

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/certificateauthority"
	"github.com/pulumi/pulumi-tls/sdk/v5/go/tls"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// askPool asks a CA pool of Certificate Authority Service to sign a key that Pulumi
// creates. The policy of the pool decides the other fields of the certificate.
func (c *Certificate) askPool(ctx *pulumi.Context, name string, args *Args) error {
	key, request, err := c.newRequest(ctx, name, args)
	if err != nil {
		return err
	}
	life := args.Certificate.LifetimeDays * day
	clock, err := c.newClock(ctx, name, key, life)
	if err != nil {
		return err
	}
	pool := args.Certificate.Pool
	leaf, err := certificateauthority.NewCertificate(ctx, name+"-leaf", &certificateauthority.CertificateArgs{
		Project: pulumi.String(pool.Project), Location: pulumi.String(pool.Location), Pool: pulumi.String(pool.Name),
		PemCsr:   request.CertRequestPem,
		Lifetime: pulumi.Sprintf("%ds", life*60*60),
		Labels:   args.Labels,
	}, pulumi.Parent(c), pulumi.ReplacementTrigger(clock.ValidityEndTime))
	if err != nil {
		return fmt.Errorf("asking the pool %s: %w", pool.Name, err)
	}
	// Issuers come after the leaf, up to the root (Certificate Authority Service API,
	// pemCertificateChain). Clients must have the root, so servers need not send it (RFC
	// 8446, section 4.4.2).
	chain := pulumi.All(leaf.PemCertificate, leaf.PemCertificateChains).ApplyT(func(parts []any) []string {
		return split(parts[0].(string), parts[1].([]string))
	}).(pulumi.StringArrayOutput)
	c.Chain, c.Authority = chain.Index(pulumi.Int(0)), chain.Index(pulumi.Int(1))
	c.Key = pulumi.ToSecret(key.PrivateKeyPem).(pulumi.StringOutput)
	return nil
}

// newClock creates a certificate that expires when the real one has to be renewed, which
// the gcp provider cannot detect. No client sees it. The TLS provider recreates it in the
// last part of its lifetime. Its expiry is stored with the real certificate, so that the
// next update retries a renewal that failed.
func (c *Certificate) newClock(ctx *pulumi.Context, name string, key *tls.PrivateKey, life int) (*tls.SelfSignedCert, error) {
	clock, err := tls.NewSelfSignedCert(ctx, name+"-clock", &tls.SelfSignedCertArgs{
		PrivateKeyPem:       key.PrivateKeyPem,
		Subject:             tls.SelfSignedCertSubjectArgs{CommonName: pulumi.String("grpc-edge clock")},
		AllowedUses:         pulumi.ToStringArray([]string{"digital_signature"}),
		ValidityPeriodHours: pulumi.Int(life),
		EarlyRenewalHours:   pulumi.Int(renewal(life)),
	}, pulumi.Parent(c))
	if err != nil {
		return nil, fmt.Errorf("creating the clock of %q: %w", name, err)
	}
	return clock, nil
}

// split returns the chain that the server sends, and the root.
func split(leaf string, issuers []string) []string {
	sent := []string{leaf}
	root := ""
	if last := len(issuers) - 1; last >= 0 {
		sent, root = append(sent, issuers[:last]...), issuers[last]
	}
	var chain strings.Builder
	for _, certificate := range sent {
		chain.WriteString(strings.TrimSpace(certificate) + "\n")
	}
	return []string{chain.String(), root}
}
