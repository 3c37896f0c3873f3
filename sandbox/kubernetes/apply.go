package kubernetes

import (
	"context"
	"fmt"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil/rpcerror"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/types/known/structpb"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"example.com/grpc-edge/sandbox/property"
)

// Create applies a new object and waits until it is ready.
func (p *provider) Create(ctx context.Context, req *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	i, ctx, done, err := p.start(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	if err := i.cluster.absent(ctx, objectOf(req.GetProperties())); err != nil {
		return nil, err
	}
	if req.GetPreview() {
		properties, err := i.cluster.preview(ctx, "creating", req.GetProperties())
		return &pulumirpc.CreateResponse{Properties: properties}, err
	}
	id, properties, err := i.deploy(ctx, "creating", req.GetUrn(), req.GetProperties(), req.GetTimeout())
	return &pulumirpc.CreateResponse{Id: id, Properties: properties}, err
}

// absent refuses to create what exists, which may be somebody else's (pulumi-kubernetes
// issue 2926). That something can't be looked for comes out at its creation.
func (c *cluster) absent(ctx context.Context, obj *unstructured.Unstructured) error {
	if c.upsert || property.HasUnknown(obj.Object) {
		return nil
	}
	if live, err := c.get(ctx, obj); err == nil && live != nil {
		return fmt.Errorf("creating %s: it already exists in the cluster; adopt it with `pulumi import`, "+
			"or set upsertExistingObjects on the provider", describe(obj))
	}
	return nil
}

// Update applies an object's new inputs and waits until it is ready.
func (p *provider) Update(ctx context.Context, req *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	i, ctx, done, err := p.start(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	if req.GetPreview() {
		properties, err := i.cluster.preview(ctx, "updating", req.GetNews())
		return &pulumirpc.UpdateResponse{Properties: properties}, err
	}
	_, properties, err := i.deploy(ctx, "updating", req.GetUrn(), req.GetNews(), req.GetTimeout())
	return &pulumirpc.UpdateResponse{Properties: properties}, err
}

// preview tries the inputs on the API server, which finds mistakes and fills in
// defaults. Inputs that are not all known, or that need something that is not
// there yet, such as a namespace, are returned as they are.
func (c *cluster) preview(ctx context.Context, doing string, inputs *structpb.Struct) (*structpb.Struct, error) {
	obj := objectOf(inputs)
	if property.HasUnknown(obj.Object) {
		return inputs, nil
	}
	tried, err := c.apply(ctx, obj, true)
	if gone(err) || apierrors.IsForbidden(err) {
		return inputs, nil
	}
	if err != nil {
		return nil, c.failure(doing, obj, err)
	}
	// What a trial invents is not what the object will have.
	delete(tried.Object, "status")
	for _, invented := range []string{"uid", "resourceVersion", "creationTimestamp", "generation"} {
		unstructured.RemoveNestedField(tried.Object, "metadata", invented)
	}
	return outputs(tried)
}

// deploy applies the inputs and waits. If the object is there but does not
// become ready, the error carries it, so that the state keeps it.
func (i *instance) deploy(
	ctx context.Context, doing, urn string, inputs *structpb.Struct, timeout float64,
) (string, *structpb.Struct, error) {
	obj := objectOf(inputs)
	wait, err := timeoutOf(obj, timeout)
	if err != nil {
		return "", nil, err
	}
	live, err := i.cluster.apply(ctx, obj, false)
	if err != nil {
		return "", nil, i.cluster.failure(doing, obj, err)
	}
	latest, waitErr := i.cluster.await(ctx, live, wait, i.progress(ctx, urn))
	properties, err := outputs(latest)
	if err != nil {
		return "", nil, err
	}
	if waitErr != nil {
		return "", nil, notReady(idOf(latest), properties, inputs, waitErr)
	}
	return idOf(latest), properties, nil
}

// notReady is the error of an object that is in the cluster but not ready.
func notReady(id string, properties, inputs *structpb.Struct, err error) error {
	return rpcerror.WithDetails(rpcerror.New(codes.Unknown, err.Error()), &pulumirpc.ErrorResourceInitFailed{
		Id: id, Properties: properties, Inputs: inputs, Reasons: []string{err.Error()},
	})
}
