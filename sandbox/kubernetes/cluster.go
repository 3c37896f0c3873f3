package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// fieldManager owns the fields that programs set.
	fieldManager = "pulumi-kubernetes"
	// requestTimeout bounds one request, so that a server that accepts
	// connections but never answers is an error.
	requestTimeout = 30 * time.Second
)

// cluster is the API server that a provider resource talks to, and how.
type cluster struct {
	host              string // for messages
	namespace         string // default for objects that don't name one
	mutableConfigMaps bool   // enableConfigMapMutable
	mutableSecrets    bool   // enableSecretMutable
	patchForce        bool   // enablePatchForce
	upsert            bool   // upsertExistingObjects
	objects           dynamic.Interface
	typed             kubernetes.Interface
	mapper            *restmapper.DeferredDiscoveryRESTMapper
	pollEvery         time.Duration
}

// connect prepares the clients that the provider's settings ask for.
func connect(config map[string]any) (*cluster, error) {
	kubeconfig, err := loadKubeconfig(text(config, "kubeconfig"))
	if err != nil {
		return nil, err
	}
	overrides := &clientcmd.ConfigOverrides{CurrentContext: text(config, "context")}
	overrides.Context.Cluster = text(config, "cluster")
	loaded := clientcmd.NewDefaultClientConfig(*kubeconfig, overrides)
	rc, err := loaded.ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("reading kubeconfig: %w", err)
	}
	namespace := text(config, "namespace")
	if namespace == "" {
		if namespace, _, err = loaded.Namespace(); err != nil {
			return nil, fmt.Errorf("reading the namespace in kubeconfig: %w", err)
		}
	}
	rc.UserAgent = "grpc-edge-sandbox"
	rc.Timeout = requestTimeout
	rc.QPS, rc.Burst = 50, 100 // dozens of resources are polled at once
	rc.WarningHandler = rest.NoWarnings{}

	c := &cluster{
		host: rc.Host, namespace: namespace, pollEvery: 500 * time.Millisecond,
		mutableConfigMaps: text(config, "enableConfigMapMutable") == "true",
		mutableSecrets:    text(config, "enableSecretMutable") == "true",
		patchForce:        text(config, "enablePatchForce") == "true",
		upsert:            text(config, "upsertExistingObjects") == "true",
	}
	discover, errDiscover := discovery.NewDiscoveryClientForConfig(rc)
	objects, errObjects := dynamic.NewForConfig(rc)
	typed, errTyped := kubernetes.NewForConfig(rc)
	if err := errors.Join(errDiscover, errObjects, errTyped); err != nil {
		return nil, fmt.Errorf("preparing the connection to %s: %w", rc.Host, err)
	}
	c.objects, c.typed = objects, typed
	c.mapper = restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(discover))
	return c, nil
}

// mapping finds the API of a kind. A kind that is not known is looked up again,
// as its CRD may be new.
func (c *cluster) mapping(kind schema.GroupVersionKind) (*meta.RESTMapping, error) {
	mapping, err := c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	if meta.IsNoMatchError(err) {
		c.mapper.Reset()
		mapping, err = c.mapper.RESTMapping(kind.GroupKind(), kind.Version)
	}
	return mapping, err
}

// api returns the part of the API that serves the object.
func (c *cluster) api(obj *unstructured.Unstructured) (dynamic.ResourceInterface, error) {
	mapping, err := c.mapping(obj.GroupVersionKind())
	if err != nil {
		return nil, err
	}
	if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
		return c.objects.Resource(mapping.Resource).Namespace(obj.GetNamespace()), nil
	}
	return c.objects.Resource(mapping.Resource), nil
}

// get reads the object as it is in the cluster.
func (c *cluster) get(ctx context.Context, obj *unstructured.Unstructured) (*unstructured.Unstructured, error) {
	api, err := c.api(obj)
	if err != nil {
		return nil, err
	}
	return api.Get(ctx, obj.GetName(), metav1.GetOptions{})
}

// apply sets the object's fields, as a trial if dryRun.
func (c *cluster) apply(
	ctx context.Context, obj *unstructured.Unstructured, dryRun bool,
) (*unstructured.Unstructured, error) {
	api, err := c.api(obj)
	if err != nil {
		return nil, err
	}
	options := metav1.ApplyOptions{FieldManager: fieldManager, Force: c.force(obj)}
	if dryRun {
		options.DryRun = []string{metav1.DryRunAll}
	}
	return api.Apply(ctx, obj.GetName(), obj, options)
}

// force tells whether fields that others set are taken over. What the object says
// counts more than the provider's setting (Pulumi's kubernetes.Provider,
// "enablePatchForce").
func (c *cluster) force(obj *unstructured.Unstructured) bool {
	if own, ok := obj.GetAnnotations()[annotationForce]; ok {
		return own == "true"
	}
	return c.patchForce
}

// gone tells whether the error says that the object, or its whole kind, is not
// in the cluster.
func gone(err error) bool { return apierrors.IsNotFound(err) || meta.IsNoMatchError(err) }

// failure says what was being done to which object when the error came, and
// what to do about it where there is something.
func (c *cluster) failure(doing string, obj *unstructured.Unstructured, err error) error {
	what := fmt.Sprintf("%s %s", doing, describe(obj))
	var transport *url.Error
	switch {
	case errors.As(err, &transport):
		return fmt.Errorf("%s: reaching the Kubernetes API server at %s: %w; "+
			"check that the cluster runs and that the kubeconfig is for it", what, c.host, err)
	case apierrors.IsUnauthorized(err):
		return fmt.Errorf("%s: the Kubernetes API server at %s refuses the kubeconfig's credentials: %w", what, c.host, err)
	case meta.IsNoMatchError(err):
		return fmt.Errorf("%s: the cluster has no such kind: %w; create its CustomResourceDefinition first", what, err)
	case apierrors.IsConflict(err):
		return fmt.Errorf("%s: %w; to take these fields over, set annotation %s to \"true\"", what, err, annotationForce)
	}
	return fmt.Errorf("%s: %w", what, err)
}
