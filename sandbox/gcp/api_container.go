// Package container emulates Google Kubernetes Engine. What a description alone cannot provide, a
// cluster and its nodes, a [Runtime] makes real on this machine.
package gcp

import "context"

// The kinds of object.
const (
	KindCluster  Kind = "container.googleapis.com/Cluster"
	KindNodePool Kind = "container.googleapis.com/NodePool"
)

// API returns the API.
func API_container(rt Runtime) API {
	return API{
		Titles: map[string]string{"container.googleapis.com": "Kubernetes Engine API"},
		Kinds:  []*rule{clusterRule(rt), nodePoolRule(rt)},
		Resume: func(ctx context.Context, c *Cloud) error { return resume(ctx, rt, c) },
	}
}
