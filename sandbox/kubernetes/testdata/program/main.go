// A program with one of each thing that matters between the engine and the
// providers: a provider with a secret kubeconfig, a key from one provider that
// is a Secret of another, a ConfigMap whose chosen name rolls a Deployment.
package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

type custom struct {
	pulumi.CustomResourceState
	PrivateKeyPem pulumi.StringOutput `pulumi:"privateKeyPem"`
	Metadata      pulumi.MapOutput    `pulumi:"metadata"`
}

func main() { pulumi.Run(deploy) }

func deploy(ctx *pulumi.Context) error {
	cfg := config.New(ctx, "")
	provider := &struct{ pulumi.ProviderResourceState }{}
	if err := ctx.RegisterResource("pulumi:providers:kubernetes", "cluster", pulumi.Map{
		"kubeconfig":        cfg.RequireSecret("kubeconfig"),
		"clusterIdentifier": pulumi.String("test"),
	}, provider); err != nil {
		return err
	}
	namespace, key, settings, credentials, server := &custom{}, &custom{}, &custom{}, &custom{}, &custom{}
	if err := ctx.RegisterResource("kubernetes:core/v1:Namespace", "edge", pulumi.Map{
		"metadata": pulumi.Map{"name": pulumi.String(cfg.Require("namespace"))},
	}, namespace, pulumi.Provider(provider)); err != nil {
		return err
	}
	if err := ctx.RegisterResource("tls:index/privateKey:PrivateKey", "key", pulumi.Map{
		"algorithm": pulumi.String("ECDSA"), "ecdsaCurve": pulumi.String("P256"),
	}, key); err != nil {
		return err
	}
	in := pulumi.Map{"namespace": namespace.Metadata.MapIndex(pulumi.String("name"))}
	if err := ctx.RegisterResource("kubernetes:core/v1:Secret", "key", pulumi.Map{
		"metadata": in, "stringData": pulumi.Map{"tls.key": key.PrivateKeyPem},
	}, credentials, pulumi.Provider(provider)); err != nil {
		return err
	}
	if err := ctx.RegisterResource("kubernetes:core/v1:ConfigMap", "settings", pulumi.Map{
		"metadata": in, "data": pulumi.Map{"message": pulumi.String(cfg.Require("message"))},
	}, settings, pulumi.Provider(provider)); err != nil {
		return err
	}
	labels := pulumi.StringMap{"app": pulumi.String("server")}
	return ctx.RegisterResource("kubernetes:apps/v1:Deployment", "server", pulumi.Map{
		"metadata": in,
		"spec": pulumi.Map{
			"selector": pulumi.Map{"matchLabels": labels},
			"template": pulumi.Map{
				"metadata": pulumi.Map{"labels": labels},
				"spec": pulumi.Map{
					"containers": pulumi.Array{pulumi.Map{"name": pulumi.String("server"), "image": pulumi.String("registry.test/server:1")}},
					"volumes": pulumi.Array{pulumi.Map{
						"name":      pulumi.String("settings"),
						"configMap": pulumi.Map{"name": settings.Metadata.MapIndex(pulumi.String("name"))},
					}},
				},
			},
		},
	}, server, pulumi.Provider(provider))
}
