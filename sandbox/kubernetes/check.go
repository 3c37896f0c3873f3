package kubernetes

import (
	"context"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"example.com/grpc-edge/sandbox/property"
)

// Check completes the inputs: kind, name and namespace.
func (p *provider) Check(ctx context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	i, _, done, err := p.start(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	kind, err := kindOf(req.GetType())
	if err != nil {
		return refuse("", err.Error()), nil
	}
	obj := objectOf(req.GetNews())
	if obj.GetAPIVersion() == "" || obj.GetKind() == "" {
		obj.SetGroupVersionKind(kind)
	}
	if property.HasUnknown(obj.Object["metadata"]) && !isMap(obj.Object["metadata"]) {
		return inputs(obj) // named once it is known
	}
	if obj.GetGenerateName() != "" {
		return refuse("metadata.generateName",
			"has no effect with server-side apply: leave metadata.name out, and a name is chosen"), nil
	}
	if _, _, err := waitFor(obj); err != nil {
		return refuse("metadata.annotations", err.Error()), nil
	}
	if obj.GetName() == "" {
		if err := chooseName(obj, objectOf(req.GetOlds()), req.GetName(), req.GetRandomSeed()); err != nil {
			return nil, err
		}
	}
	if err := i.cluster.chooseNamespace(obj); err != nil {
		return nil, err
	}
	return inputs(obj)
}

// chooseName gives an object without a name the one it had before, or a new one:
// the logical name with 8 random hexadecimal digits.
func chooseName(obj, old *unstructured.Unstructured, logicalName string, seed []byte) error {
	name := old.GetName()
	if name == "" || old.GetAnnotations()[annotationAutonamed] != "true" {
		var err error
		if name, err = resource.NewUniqueName(seed, logicalName+"-", 8, 0, nil); err != nil {
			return fmt.Errorf("choosing a name for %s: %w", logicalName, err)
		}
	}
	obj.SetName(name)
	// Not SetAnnotations, which would turn values that are not known yet away.
	metadata := obj.Object["metadata"].(map[string]any)
	annotations, _ := metadata["annotations"].(map[string]any)
	if annotations == nil {
		annotations = map[string]any{}
		metadata["annotations"] = annotations
	}
	annotations[annotationAutonamed] = "true"
	return nil
}

// chooseNamespace gives an object that needs a namespace and names none the
// provider's. A kind that the cluster does not have yet is taken to need one,
// as most custom resources do.
func (c *cluster) chooseNamespace(obj *unstructured.Unstructured) error {
	if obj.GetNamespace() != "" {
		return nil
	}
	mapping, err := c.mapping(obj.GroupVersionKind())
	if err != nil && !meta.IsNoMatchError(err) {
		return c.failure("checking", obj, err)
	}
	if err != nil || mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		obj.SetNamespace(c.namespace)
	}
	return nil
}

func inputs(obj *unstructured.Unstructured) (*pulumirpc.CheckResponse, error) {
	properties, err := structpb.NewStruct(obj.Object)
	if err != nil {
		return nil, fmt.Errorf("checking %s: %w", describe(obj), err)
	}
	return &pulumirpc.CheckResponse{Inputs: properties}, nil
}

func refuse(path, reason string) *pulumirpc.CheckResponse {
	return &pulumirpc.CheckResponse{Failures: []*pulumirpc.CheckFailure{{Property: path, Reason: reason}}}
}

func isMap(value any) bool {
	_, ok := value.(map[string]any)
	return ok
}
