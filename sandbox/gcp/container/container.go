// Package container emulates Google Kubernetes Engine. What a description alone cannot provide, a
// cluster and its nodes, a [Runtime] makes real on this machine.
package container

import (
	"context"

	"example.com/grpc-edge/sandbox/gcp"
)

// The kinds of object that the API has.
const (
	KindCluster  gcp.Kind = "container.googleapis.com/Cluster"
	KindNodePool gcp.Kind = "container.googleapis.com/NodePool"
)

// API returns the description of the API for the emulated cloud.
func API(rt Runtime) gcp.API {
	return gcp.API{
		Titles: map[string]string{"container.googleapis.com": "Kubernetes Engine API"},
		Kinds:  []*gcp.Resource{clusterResource(rt), nodePoolResource(rt)},
		Resume: func(ctx context.Context, c *gcp.Cloud) error { return resume(ctx, rt, c) },
	}
}
