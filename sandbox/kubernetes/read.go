package kubernetes

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"reflect"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Read returns the live object as outputs, and as inputs what the program set,
// with what others have changed of it since. An object that is gone has no ID.
func (p *provider) Read(ctx context.Context, req *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	i, ctx, done, err := p.start(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	old := objectOf(req.GetProperties())
	if old.GetName() == "" { // an import, or a get by ID
		if old, err = fromID(req.GetId(), req.GetType()); err != nil {
			return nil, err
		}
	}
	live, err := i.cluster.get(ctx, old)
	if gone(err) {
		return &pulumirpc.ReadResponse{}, nil
	}
	if err != nil {
		return nil, i.cluster.failure("reading", old, err)
	}
	properties, err := outputs(live)
	if err != nil {
		return nil, err
	}
	inputs, err := liveInputs(objectOf(req.GetInputs()), old, live)
	if err != nil {
		return nil, err
	}
	if state, message := readiness(live); state != status.CurrentStatus &&
		live.GetAnnotations()[annotationSkipAwait] != "true" {
		explained := i.cluster.explain(ctx, live, fmt.Sprintf("%s is not ready: %s", describe(live), message))
		return nil, notReady(idOf(live), properties, inputs, errors.New(explained))
	}
	return &pulumirpc.ReadResponse{Id: idOf(live), Properties: properties, Inputs: inputs}, nil
}

// liveInputs are the inputs that describe the live object. before is the object
// as it was when the inputs were last applied or read.
func liveInputs(inputs, before, live *unstructured.Unstructured) (*structpb.Struct, error) {
	if len(inputs.Object) == 0 {
		return imported(live)
	}
	was, is := normal(before), normal(live)
	if isKind(live, "Secret") {
		wanted, _, _ := unstructured.NestedMap(inputs.Object, "stringData")
		addStringData(was, wanted)
		addStringData(is, wanted)
	}
	projected, _ := project(inputs.Object, was, is).(map[string]any)
	return structpb.NewStruct(projected)
}

// project returns the input, with what has changed in the cluster since changed
// in it. What the API server only writes differently ("1000m" for "1") or fills
// in was so before, too, and is no change.
func project(input, was, is any) any {
	if reflect.DeepEqual(was, is) {
		return input
	}
	switch given := input.(type) {
	case map[string]any:
		now, isMap := is.(map[string]any)
		if !isMap {
			return is
		}
		then, _ := was.(map[string]any)
		out := map[string]any{}
		for name, value := range given {
			if now[name] != nil || then[name] == nil {
				out[name] = project(value, then[name], now[name])
			}
		}
		return out
	case []any:
		now, isList := is.([]any)
		if !isList {
			return is
		}
		then, _ := was.([]any)
		out := []any{}
		for i, value := range now {
			if i < len(given) && i < len(then) {
				value = project(given[i], then[i], value)
			}
			out = append(out, value)
		}
		return out
	}
	return is
}

// normal is the content with numbers of one type.
func normal(obj *unstructured.Unstructured) map[string]any {
	properties, err := structpb.NewStruct(obj.Object)
	if err != nil { // the API server gives nothing but JSON
		return map[string]any{}
	}
	return properties.AsMap()
}

// addStringData shows a Secret's data the way stringData gave it, which the API
// server takes but never returns.
func addStringData(secret, wanted map[string]any) {
	data, _ := secret["data"].(map[string]any)
	shown := map[string]any{}
	for name := range wanted {
		encoded, _ := data[name].(string)
		if decoded, err := base64.StdEncoding.DecodeString(encoded); err == nil && data[name] != nil {
			shown[name] = string(decoded)
		}
	}
	if len(wanted) > 0 {
		secret["stringData"] = shown
	}
}

// imported are the inputs for an object that no program has described yet: all
// of it, save what only the API server writes.
func imported(live *unstructured.Unstructured) (*structpb.Struct, error) {
	obj := &unstructured.Unstructured{Object: normal(live)}
	delete(obj.Object, "status")
	metadata, _ := obj.Object["metadata"].(map[string]any)
	kept := map[string]any{}
	for _, name := range []string{"name", "namespace", "labels", "annotations"} {
		if metadata[name] != nil {
			kept[name] = metadata[name]
		}
	}
	obj.Object["metadata"] = kept
	return structpb.NewStruct(obj.Object)
}
