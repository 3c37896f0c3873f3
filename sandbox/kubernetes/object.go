package kubernetes

import (
	"fmt"
	"strings"

	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"example.com/grpc-edge/sandbox/property"
)

// Annotations with a meaning for the provider:
// https://www.pulumi.com/registry/packages/kubernetes/installation-configuration/#pulumi-resource-annotations.
const (
	annotationAutonamed = "pulumi.com/autonamed"      // the name was chosen by the provider
	annotationForce     = "pulumi.com/patchForce"     // take over fields that others set
	annotationSkipAwait = "pulumi.com/skipAwait"      // do not wait until it is ready or gone
	annotationTimeout   = "pulumi.com/timeoutSeconds" // how long to wait
	annotationWaitFor   = "pulumi.com/waitFor"        // what to wait for, instead of what is known of the kind
)

// kindOf reads the kind from a type token, "kubernetes:<group>/<version>:<Kind>".
func kindOf(token string) (schema.GroupVersionKind, error) {
	parts := strings.Split(token, ":")
	if len(parts) != 3 || parts[0] != "kubernetes" {
		return schema.GroupVersionKind{}, fmt.Errorf("type %q is not of the form kubernetes:<group>/<version>:<Kind>", token)
	}
	groupVersion, err := schema.ParseGroupVersion(strings.TrimPrefix(parts[1], "core/"))
	if err != nil {
		return schema.GroupVersionKind{}, fmt.Errorf("type %q: %w", token, err)
	}
	switch {
	case strings.HasPrefix(groupVersion.Group, "helm.sh"), strings.HasPrefix(groupVersion.Group, "kustomize"),
		groupVersion.Group == "yaml", strings.HasSuffix(parts[2], "Patch"), strings.HasSuffix(parts[2], "List"):
		return schema.GroupVersionKind{}, fmt.Errorf(
			"the sandbox's Kubernetes provider deploys single objects, and %q is none: write its objects one by one", token)
	}
	return groupVersion.WithKind(parts[2]), nil
}

// objectOf is the object that the properties, inputs or outputs, describe.
func objectOf(properties *structpb.Struct) *unstructured.Unstructured {
	content, _ := withoutNulls(properties.AsMap()).(map[string]any)
	return &unstructured.Unstructured{Object: content}
}

// withoutNulls drops what was given as null, which for a program means "not
// set" and for server-side apply "remove".
func withoutNulls(value any) any {
	switch v := value.(type) {
	case map[string]any:
		kept := map[string]any{}
		for name, inner := range v {
			if inner != nil {
				kept[name] = withoutNulls(inner)
			}
		}
		return kept
	case []any:
		kept := []any{}
		for _, inner := range v {
			if inner != nil {
				kept = append(kept, withoutNulls(inner))
			}
		}
		return kept
	}
	return value
}

// outputs are the properties of a live object. What a Secret holds is secret.
func outputs(live *unstructured.Unstructured) (*structpb.Struct, error) {
	live = live.DeepCopy()
	live.SetManagedFields(nil) // bookkeeping of the API server
	properties, err := structpb.NewStruct(live.Object)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", describe(live), err)
	}
	if isKind(live, "Secret") {
		for _, name := range []string{"data", "stringData"} {
			if value, set := properties.Fields[name]; set {
				properties.Fields[name] = property.Secret(value)
			}
		}
	}
	return properties, nil
}

// isKind tells whether the object is of a kind of the core group.
func isKind(obj *unstructured.Unstructured, kind string) bool {
	return obj.GroupVersionKind().GroupKind() == schema.GroupKind{Kind: kind}
}

// idOf is the resource ID: "name", or "namespace/name".
func idOf(obj *unstructured.Unstructured) string {
	if obj.GetNamespace() == "" {
		return obj.GetName()
	}
	return obj.GetNamespace() + "/" + obj.GetName()
}

// fromID is the object that an ID and a type token name.
func fromID(id, token string) (*unstructured.Unstructured, error) {
	kind, err := kindOf(token)
	if err != nil {
		return nil, err
	}
	obj := &unstructured.Unstructured{}
	obj.SetGroupVersionKind(kind)
	namespace, name, found := strings.Cut(id, "/")
	if !found {
		namespace, name = "", id
	}
	obj.SetNamespace(namespace)
	obj.SetName(name)
	return obj, nil
}

// describe names an object in messages: "Deployment edge/envoy".
func describe(obj *unstructured.Unstructured) string { return obj.GetKind() + " " + idOf(obj) }
