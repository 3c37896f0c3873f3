package gcpprovider

import (
	"context"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"example.com/grpc-edge/sandbox/gcp"
)

// Tamper changes an object behind Pulumi's back, as a person at the console would: through a
// provider of a running cloud, without the engine learning of it. Empty changes delete the
// object. Its errors are the cloud's.
func Tamper(ctx context.Context, client pulumirpc.ResourceProviderClient, o gcp.Object, changes map[string]any) error {
	token, t, err := typeOf(o.Kind)
	if err != nil {
		return err
	}
	urn := "urn:pulumi:sandbox::grpc-edge::" + token + "::tamper"
	read, err := client.Read(ctx, &pulumirpc.ReadRequest{Urn: urn, Id: t.id(o.Name)})
	if err != nil {
		return err
	}
	if len(changes) == 0 {
		_, err = client.Delete(ctx, &pulumirpc.DeleteRequest{Urn: urn, Id: read.Id, Properties: read.Properties})
		return err
	}
	inputs, err := decode(read.Inputs)
	if err != nil {
		return err
	}
	for path, value := range changes {
		parsed, err := resource.ParsePropertyPath(path)
		if err != nil {
			return fmt.Errorf("reading the property %q: %w", path, err)
		}
		if inputs, err = with(inputs, parsed, value); err != nil {
			return err
		}
	}
	news, err := encode(inputs)
	if err != nil {
		return err
	}
	_, err = client.Update(ctx, &pulumirpc.UpdateRequest{Urn: urn, Id: read.Id, Olds: read.Properties, OldInputs: read.Inputs, News: news})
	return err
}

func with(inputs resource.PropertyMap, path resource.PropertyPath, value any) (resource.PropertyMap, error) {
	changed, ok := path.Add(resource.NewProperty(inputs), resource.NewPropertyValue(value))
	if !ok {
		return nil, fmt.Errorf("setting %s: a part of this path is not an object or a list", path)
	}
	return changed.ObjectValue(), nil
}

func typeOf(kind gcp.Kind) (string, resourceType, error) {
	for token, t := range resourceTypes {
		if t.kind == kind {
			return token, t, nil
		}
	}
	return "", resourceType{}, fmt.Errorf("a %s cannot be changed behind Pulumi's back: the program has none", kind)
}
