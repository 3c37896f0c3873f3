// A program that registers the resources in its config, a JSON list. A property
// "(secret)" is the secret config value hidden, and one "(unknown)" is the ID of the
// resource before, which no preview knows.
package main

import (
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi/config"
)

func main() {
	pulumi.Run(func(ctx *pulumi.Context) error {
		var list []struct {
			Type, Name string
			Properties map[string]any
		}
		config.RequireObject(ctx, "resources", &list)
		var previous pulumi.IDOutput
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
			var resource pulumi.CustomResourceState
			if err := ctx.RegisterResource(r.Type, r.Name, properties, &resource); err != nil {
				return err
			}
			previous = resource.ID()
		}
		return nil
	})
}
