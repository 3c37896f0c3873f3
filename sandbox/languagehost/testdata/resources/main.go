// A program that registers the resources in its config, a JSON list, as they are.
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
		config.New(ctx, "").RequireObject("resources", &list)
		for _, r := range list {
			var resource pulumi.CustomResourceState
			if err := ctx.RegisterResource(r.Type, r.Name, pulumi.ToMap(r.Properties), &resource); err != nil {
				return err
			}
		}
		return nil
	})
}
