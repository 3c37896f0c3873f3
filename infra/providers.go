package main

import (
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp"
	"github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes"
	"github.com/pulumi/pulumi-tls/sdk/v5/go/tls"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// providerKeys lists, by namespace, the keys of a stack that the program's providers read: the
// arguments of each provider, by their names in its SDK, and what the plugin of gcp reads besides
// (extraConfig in provider/resources.go, pulumi-gcp).
func providerKeys() map[string][]string {
	keys := map[string][]string{"gcp": {"disableGlobalProjectWarning", "skipRegionValidation"}}
	for namespace, arguments := range map[string]pulumi.Input{
		"gcp": gcp.ProviderArgs{}, "kubernetes": kubernetes.ProviderArgs{}, "tls": tls.ProviderArgs{},
	} {
		fields := arguments.ElementType()
		for i := range fields.NumField() {
			if name, ok := fields.Field(i).Tag.Lookup("pulumi"); ok {
				keys[namespace] = append(keys[namespace], name)
			}
		}
	}
	return keys
}
