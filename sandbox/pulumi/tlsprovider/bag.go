// Package property handles Pulumi property bags for the sandbox's resource providers:
// it finds unknown values, marks secrets and describes a change property by property.
package property

import (
	"fmt"
	"maps"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"
)

// unknowns lists the strings that stand for a value that is not known before an update runs, one
// for each type that the value will have.
var unknowns = []string{
	plugin.UnknownStringValue, plugin.UnknownBoolValue, plugin.UnknownNumberValue,
	plugin.UnknownArrayValue, plugin.UnknownAssetValue, plugin.UnknownArchiveValue, plugin.UnknownObjectValue,
}

// HasUnknown reports whether the value, or one inside it, is not known yet. The value is of the
// types that structpb's AsMap and AsInterface give.
func HasUnknown(value any) bool {
	switch v := value.(type) {
	case string:
		return slices.Contains(unknowns, v)
	case []any:
		return slices.ContainsFunc(v, HasUnknown)
	case map[string]any:
		for _, inner := range v {
			if HasUnknown(inner) {
				return true
			}
		}
	}
	return false
}

// Unknown returns the property value that stands for a value that is not known yet.
func Unknown() *structpb.Value { return structpb.NewStringValue(plugin.UnknownStringValue) }

// Secret wraps a property value so that the engine encrypts it in its state.
func Secret(value *structpb.Value) *structpb.Value {
	return structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
		resource.SigKey: structpb.NewStringValue(resource.SecretSig),
		"value":         value,
	}})
}

// Diff describes how the new inputs differ from the old ones, property by
// property. replace decides, from a property path such as
// "spec.containers[0].image", whether a change of it replaces the resource.
func Diff(olds, news *structpb.Struct, replace func(path string) bool) (*pulumirpc.DiffResponse, error) {
	before, err := unmarshal(olds)
	if err != nil {
		return nil, fmt.Errorf("reading the old inputs: %w", err)
	}
	after, err := unmarshal(news)
	if err != nil {
		return nil, fmt.Errorf("reading the new inputs: %w", err)
	}
	resp := &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE, HasDetailedDiff: true}
	changes := plugin.NewDetailedDiffFromObjectDiff(before.Diff(after), true)
	for _, path := range slices.Sorted(maps.Keys(changes)) {
		Add(resp, path, pulumirpc.PropertyDiff_Kind(changes[path].Kind), replace(path))
	}
	return resp, nil
}

// Add puts one changed input into the response.
func Add(resp *pulumirpc.DiffResponse, path string, kind pulumirpc.PropertyDiff_Kind, replace bool) {
	resp.Changes = pulumirpc.DiffResponse_DIFF_SOME
	resp.Diffs = append(resp.Diffs, path)
	if replace {
		resp.Replaces = append(resp.Replaces, path)
		kind = map[pulumirpc.PropertyDiff_Kind]pulumirpc.PropertyDiff_Kind{
			pulumirpc.PropertyDiff_ADD:    pulumirpc.PropertyDiff_ADD_REPLACE,
			pulumirpc.PropertyDiff_DELETE: pulumirpc.PropertyDiff_DELETE_REPLACE,
			pulumirpc.PropertyDiff_UPDATE: pulumirpc.PropertyDiff_UPDATE_REPLACE,
		}[kind]
	}
	if resp.DetailedDiff == nil {
		resp.DetailedDiff = map[string]*pulumirpc.PropertyDiff{}
	}
	resp.DetailedDiff[path] = &pulumirpc.PropertyDiff{Kind: kind, InputDiff: true}
}

func unmarshal(bag *structpb.Struct) (resource.PropertyMap, error) {
	return plugin.UnmarshalProperties(bag, plugin.MarshalOptions{KeepUnknowns: true, SkipNulls: true})
}

// Plain returns the properties without their secret markers.
func Plain(bag *structpb.Struct) (map[string]any, error) {
	properties, err := plugin.UnmarshalProperties(bag, plugin.MarshalOptions{SkipNulls: true})
	if err != nil {
		return nil, fmt.Errorf("reading properties: %w", err)
	}
	return properties.Mappable(), nil
}
