package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Delete removes the object after everything it owns, and waits until it is
// gone, finalizers included. One that is gone already is no error.
func (p *provider) Delete(ctx context.Context, req *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	i, ctx, done, err := p.start(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	obj := objectOf(req.GetProperties())
	timeout, err := timeoutOf(obj, req.GetTimeout())
	if err != nil {
		return nil, err
	}
	err = i.cluster.remove(ctx, obj)
	if err == nil && obj.GetAnnotations()[annotationSkipAwait] != "true" {
		err = i.cluster.awaitGone(ctx, obj, timeout, i.progress(ctx, req.GetUrn()))
	}
	if err != nil && !gone(err) {
		return nil, i.cluster.failure("deleting", obj, err)
	}
	return &emptypb.Empty{}, nil
}

func (c *cluster) remove(ctx context.Context, obj *unstructured.Unstructured) error {
	api, err := c.api(obj)
	if err != nil {
		return err
	}
	foreground := metav1.DeletePropagationForeground
	return api.Delete(ctx, obj.GetName(), metav1.DeleteOptions{PropagationPolicy: &foreground})
}

// awaitGone polls until the object is not found, or another one of its name is.
func (c *cluster) awaitGone(
	ctx context.Context, obj *unstructured.Unstructured, timeout time.Duration, progress func(string),
) error {
	until, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	shown := false
	for last := obj; ; {
		live, err := c.get(until, obj)
		if gone(err) || err == nil && obj.GetUID() != "" && live.GetUID() != obj.GetUID() {
			return nil
		}
		if err == nil { // else the API server may come back within the time
			last = live
		}
		if !shown {
			progress("waiting until it is gone")
			shown = true
		}
		select {
		case <-until.Done():
			if ctx.Err() != nil {
				return errors.New("waiting until it is gone was cancelled")
			}
			return errors.New(c.explain(ctx, last, fmt.Sprintf(
				"it is still there after %s, with finalizers %q", timeout, last.GetFinalizers())))
		case <-time.After(c.pollEvery):
		}
	}
}
