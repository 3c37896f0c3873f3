// Package cluster makes emulated GKE clusters real: a control plane and nodes
// from the upstream Kubernetes binaries, each in a VM of its own.
package cluster

import (
	"context"
	"sync"

	"example.com/grpc-edge/sandbox/gcp/container"
	"example.com/grpc-edge/sandbox/node/vm"
)

// Cluster is a running cluster.
type Cluster struct {
	plane  *controlPlane
	vm     *vm.VM
	cancel context.CancelFunc
	mu     sync.Mutex
	nodes  map[string]*runningNode
}

type runningNode struct {
	*node
	vm *vm.VM
	// ctx ends with the node.
	ctx    context.Context
	cancel context.CancelFunc
}

// Kubeconfig returns the path of a kubeconfig with administrator rights, for the sandbox's own use.
func (c *Cluster) Kubeconfig() string { return c.plane.file("admin.kubeconfig") }

// Spec returns the description that the cluster was created from.
func (c *Cluster) Spec() container.ClusterSpec { return c.plane.spec }
