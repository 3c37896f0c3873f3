package tlsprovider

import (
	"fmt"
	"maps"
	"slices"

	sdk "github.com/pulumi/pulumi/sdk/v3/go/common/resource"
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

// hasUnknown reports whether the value, or one inside it, is not known yet. The value is of the
// types that structpb's AsMap and AsInterface give.
func hasUnknown(value any) bool {
	switch v := value.(type) {
	case string:
		return slices.Contains(unknowns, v)
	case []any:
		return slices.ContainsFunc(v, hasUnknown)
	case map[string]any:
		for _, inner := range v {
			if hasUnknown(inner) {
				return true
			}
		}
	}
	return false
}

// unknownValue returns the property value that stands for a value that is not known yet.
func unknownValue() *structpb.Value { return structpb.NewStringValue(plugin.UnknownStringValue) }

// secretValue wraps a property value so that the engine encrypts it in its state.
func secretValue(value *structpb.Value) *structpb.Value {
	return structpb.NewStructValue(&structpb.Struct{Fields: map[string]*structpb.Value{
		sdk.SigKey: structpb.NewStringValue(sdk.SecretSig),
		"value":    value,
	}})
}

// diffBags describes how the new inputs differ from the old ones, property by
// property. replace decides, from a property path such as
// "spec.containers[0].image", whether a change of it replaces the resource.
func diffBags(olds, news *structpb.Struct, replace func(path string) bool) (*pulumirpc.DiffResponse, error) {
	before, err := unmarshalBag(olds)
	if err != nil {
		return nil, fmt.Errorf("reading the old inputs: %w", err)
	}
	after, err := unmarshalBag(news)
	if err != nil {
		return nil, fmt.Errorf("reading the new inputs: %w", err)
	}
	resp := &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE, HasDetailedDiff: true}
	changes := plugin.NewDetailedDiffFromObjectDiff(before.Diff(after), true)
	for _, path := range slices.Sorted(maps.Keys(changes)) {
		addChange(resp, path, pulumirpc.PropertyDiff_Kind(changes[path].Kind), replace(path))
	}
	return resp, nil
}

// addChange puts one changed input into the response.
func addChange(resp *pulumirpc.DiffResponse, path string, kind pulumirpc.PropertyDiff_Kind, replace bool) {
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

func unmarshalBag(bag *structpb.Struct) (sdk.PropertyMap, error) {
	return plugin.UnmarshalProperties(bag, plugin.MarshalOptions{KeepUnknowns: true, SkipNulls: true})
}
