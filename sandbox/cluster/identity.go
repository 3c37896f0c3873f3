package cluster

import (
	"context"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/client-go/kubernetes"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/node/credentialplugin"
)

// SecretManager is the host of Secret Manager, which pods resolve.
const SecretManager = "secretmanager.googleapis.com"

// googleAccount is the annotation of a Kubernetes service account that acts as a Google
// one ("Workload Identity Federation for GKE": link to IAM service accounts).
const googleAccount = "iam.gke.io/gcp-service-account"

// Identify returns the node or pod that has an address, for the metadata server. A pod has the
// identity of its Kubernetes service account.
func (r *Runtime) Identify(ctx context.Context, address netip.Addr) (credentialplugin.Caller, error) {
	r.mu.Lock()
	clusters := slices.Collect(maps.Values(r.clusters))
	r.mu.Unlock()
	for _, c := range clusters {
		for _, n := range c.runningNodes() {
			if n.address == address {
				return c.nodeCaller(n), nil
			}
		}
	}
	for _, c := range clusters {
		if c.plane.spec.PodCIDR.Contains(address) {
			client, err := c.client()
			if err != nil {
				return credentialplugin.Caller{}, err
			}
			return c.podCaller(ctx, client, address)
		}
	}
	return credentialplugin.Caller{}, fmt.Errorf("no node or pod has the address %s", address)
}

func (c *Cluster) caller(identity, email string) credentialplugin.Caller {
	project := c.plane.spec.Project
	return credentialplugin.Caller{Project: project, ProjectNumber: gcp.ProjectNumber(project), Identity: identity, Email: email}
}

// nodeCaller describes a node as a caller. It runs as the account of its pool.
func (c *Cluster) nodeCaller(n *runningNode) credentialplugin.Caller {
	return c.caller(n.pool.ServiceAccount, n.pool.ServiceAccount)
}

// podCaller describes a running pod as a caller. Without GKE's metadata server on its node,
// the pod gets the identity of the node.
func (c *Cluster) podCaller(ctx context.Context, client kubernetes.Interface, address netip.Addr) (credentialplugin.Caller, error) {
	pods, err := client.CoreV1().Pods(metav1.NamespaceAll).List(ctx, metav1.ListOptions{
		FieldSelector: fields.OneTermEqualSelector("status.podIP", address.String()).String(),
	})
	if err != nil {
		return credentialplugin.Caller{}, fmt.Errorf("looking for the pod of %s: %w", address, err)
	}
	for _, pod := range pods.Items {
		if ended := pod.Status.Phase == corev1.PodSucceeded || pod.Status.Phase == corev1.PodFailed; ended {
			continue // it has given its address back
		}
		for _, n := range c.runningNodes() {
			if n.name == pod.Spec.NodeName && !n.pool.PodMetadata {
				return c.nodeCaller(n), nil
			}
		}
		account, err := client.CoreV1().ServiceAccounts(pod.Namespace).Get(ctx, pod.Spec.ServiceAccountName, metav1.GetOptions{})
		if err != nil {
			return credentialplugin.Caller{}, fmt.Errorf("reading the service account of pod %s/%s: %w", pod.Namespace, pod.Name, err)
		}
		return c.accountCaller(account)
	}
	return credentialplugin.Caller{}, fmt.Errorf("no pod has the address %s", address)
}

// accountCaller describes a Kubernetes service account as a caller.
func (c *Cluster) accountCaller(account *corev1.ServiceAccount) (credentialplugin.Caller, error) {
	if email := account.Annotations[googleAccount]; email != "" {
		return credentialplugin.Caller{}, fmt.Errorf("the sandbox does not emulate acting as a Google account: %s/%s is to act as %s; "+
			"grant the role to its own principal", account.Namespace, account.Name, email)
	}
	spec := c.plane.spec
	if !spec.WorkloadIdentity {
		return credentialplugin.Caller{}, fmt.Errorf("the cluster %s has no Workload Identity Federation", spec.Name)
	}
	return c.caller(gcp.WorkloadPrincipal(spec.Project, account.Namespace, account.Name), spec.Project+".svc.id.goog"), nil
}
