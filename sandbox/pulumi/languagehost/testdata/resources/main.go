// A program that registers the resources in its config, a JSON list, each with the
// provider of that name if it has one. A property "(secret)" is the secret config
// value hidden, and one "(unknown)" is the ID of the resource before, which no
// preview knows.
package main

import (
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		var list []struct {
			Type, Name, Provider string
			Properties           map[string]any
		}
		config.RequireObject(ctx, "resources", &list)
		var previous pulumi.IDOutput
		providers := map[string]pulumi.ProviderResource{}
		for _, r := range list {
			properties := pulumi.ToMap(r.Properties)
			for key, value := range r.Properties {
				switch value {
				case "(secret)":
					properties[key] = config.RequireSecret(ctx, "hidden")
				case "(unknown)":
					properties[key] = previous.ToStringOutput()
				}
			}
			if strings.HasPrefix(r.Type, "pulumi:providers:") {
				var provider pulumi.ProviderResourceState
				if err := ctx.RegisterResource(r.Type, r.Name, properties, &provider); err != nil {
					return err
				}
				providers[r.Name] = &provider
				continue
			}
			var opts []pulumi.ResourceOption
			if r.Provider != "" {
				opts = append(opts, pulumi.Provider(providers[r.Provider]))
			}
			var resource pulumi.CustomResourceState
			if err := ctx.RegisterResource(r.Type, r.Name, properties, &resource, opts...); err != nil {
				return err
			}
			previous = resource.ID()
		}
		return nil
	})
}
