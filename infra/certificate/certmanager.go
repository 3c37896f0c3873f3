package certificate

import (
	"fmt"

	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/apiextensions"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/infra/config"
	"example.com/grpc-edge/infra/workload"
)

// askCertManager asks the cert-manager of the cluster to keep a certificate in a Secret
// (cert-manager, "Certificate resource"). The private key is created in the cluster and
// stays there: Pulumi never sees it.
func (c *Certificate) askCertManager(ctx *pulumi.Context, name string, args *Args) error {
	metadata := workload.Metadata(args.Namespace, args.Workload)
	// Certificates of the other kinds have a Secret with another name. It is deleted once the
	// pods mount this one.
	secret := args.Workload + "-issued"
	metadata.Name = pulumi.String(secret)
	// Without the wait, pods would hang because they mount a missing Secret.
	metadata.Annotations = pulumi.StringMap{"pulumi.com/waitFor": pulumi.String("condition=Ready")}
	wait := args.Certificate.Issuer.Wait.String()
	issued, err := apiextensions.NewCustomResource(ctx, name+"-leaf", &apiextensions.CustomResourceArgs{
		ApiVersion:  pulumi.String("cert-manager.io/v1"),
		Kind:        pulumi.String("Certificate"),
		Metadata:    metadata,
		OtherFields: kubernetes.UntypedArgs{"spec": certificateSpec(secret, args)},
	}, pulumi.Parent(c), pulumi.Provider(args.InCluster), pulumi.Timeouts(&pulumi.CustomTimeouts{Create: wait, Update: wait}))
	if err != nil {
		return fmt.Errorf("asking the issuer %s: %w", args.Certificate.Issuer.Name, err)
	}
	c.Secret = issued.Metadata.Name().Elem()
	return nil
}

// certificateSpec returns the spec of the Certificate. It leaves the time of renewal to
// cert-manager, which renews in the last third of the lifetime that the issuer granted,
// whatever was requested.
func certificateSpec(secret string, args *Args) pulumi.Map {
	issuer := args.Certificate.Issuer
	spec := pulumi.Map{
		"secretName": pulumi.String(secret),
		"secretTemplate": pulumi.Map{
			"labels": workload.Metadata(args.Namespace, args.Workload).Labels,
		},
		"issuerRef": pulumi.Map{
			"name": pulumi.String(issuer.Name), "kind": pulumi.String(issuer.Kind), "group": pulumi.String(config.IssuerGroups[issuer.Kind]),
		},
		"dnsNames": pulumi.ToStringArray(args.DNSNames),
		"duration": pulumi.Sprintf("%dh", args.Certificate.LifetimeDays*day),
		"usages":   pulumi.ToStringArray([]string{"digital signature", "server auth"}),
		"privateKey": pulumi.Map{ // like newKey, but each renewal creates a new key
			"algorithm": pulumi.String("ECDSA"), "size": pulumi.Int(256), "rotationPolicy": pulumi.String("Always"),
		},
	}
	if issuer.IPAddress {
		spec["ipAddresses"] = args.IPAddresses
	}
	return spec
}
