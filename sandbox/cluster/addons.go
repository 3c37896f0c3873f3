package cluster

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"text/template"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/discovery/cached/memory"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/restmapper"
	"sigs.k8s.io/yaml"

	"example.com/grpc-edge/sandbox/addressplan"
)

// installAddons applies the objects that a GKE cluster has before its user's first one:
// cluster DNS under GKE's names, in Autopilot mode the policies that change and refuse pods,
// and with managed collection its custom resources. Applying them again changes nothing.
func (c *Cluster) installAddons(ctx context.Context, managedPrometheus bool) error {
	config, err := c.RESTConfig()
	if err != nil {
		return err
	}
	objects, err := c.addons(managedPrometheus)
	if err != nil {
		return err
	}
	return applyAll(ctx, config, objects)
}

// applyAll applies objects in order and waits until the kinds among them can be used.
func applyAll(ctx context.Context, config *rest.Config, objects []*unstructured.Unstructured) error {
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	disco, err := discovery.NewDiscoveryClientForConfig(config)
	if err != nil {
		return err
	}
	mapper := restmapper.NewDeferredDiscoveryRESTMapper(memory.NewMemCacheClient(disco))
	for _, object := range objects {
		mapping, err := mapper.RESTMapping(object.GroupVersionKind().GroupKind(), object.GroupVersionKind().Version)
		if err != nil {
			return err
		}
		resource := dynamic.ResourceInterface(client.Resource(mapping.Resource))
		if mapping.Scope.Name() == meta.RESTScopeNameNamespace {
			resource = client.Resource(mapping.Resource).Namespace(object.GetNamespace())
		}
		if _, err := resource.Apply(ctx, object.GetName(), object, metav1.ApplyOptions{FieldManager: "addon-manager", Force: true}); err != nil {
			return fmt.Errorf("applying %s %s: %w", object.GetKind(), object.GetName(), err)
		}
		if object.GetKind() == "CustomResourceDefinition" {
			if err := established(ctx, resource, object.GetName()); err != nil {
				return fmt.Errorf("waiting until %s is served: %w", object.GetName(), err)
			}
		}
	}
	return nil
}

// established waits until the API server serves the objects that a
// CustomResourceDefinition defines, which usually takes a moment.
func established(ctx context.Context, definitions dynamic.ResourceInterface, name string) error {
	return wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		definition, err := definitions.Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, nil // the API server may answer the next time
		}
		conditions, _, _ := unstructured.NestedSlice(definition.Object, "status", "conditions")
		return slices.ContainsFunc(conditions, func(c any) bool {
			condition, _ := c.(map[string]any)
			return condition["type"] == "Established" && condition["status"] == "True"
		}), nil
	})
}

func (c *Cluster) addons(managedPrometheus bool) ([]*unstructured.Unstructured, error) {
	objects, err := render("files/addons", map[string]string{
		"GoogleAPIs": addressplan.PrivateGoogleAPIs.String(), "Metadata": addressplan.Metadata.String(), "SecretManager": SecretManager,
		"DNS":      nthAddress(c.plane.spec.ServiceCIDR, 10).String(),
		"Registry": SystemRegistry,
	})
	if err != nil {
		return nil, err
	}
	if c.plane.spec.Autopilot {
		more, err := render("files/autopilot", nil)
		if err != nil {
			return nil, err
		}
		objects = append(objects, more...)
	}
	if managedPrometheus {
		more, err := render("files/prometheus", prometheusKinds)
		if err != nil {
			return nil, err
		}
		objects = append(objects, more...)
	}
	return objects, nil
}

// render reads the objects in the files of a folder, in the order of their names.
func render(folder string, values any) ([]*unstructured.Unstructured, error) {
	entries, err := files.ReadDir(folder)
	if err != nil {
		return nil, err
	}
	var objects []*unstructured.Unstructured
	for _, file := range entries {
		var text strings.Builder
		if err := template.Must(template.ParseFS(files, folder+"/"+file.Name())).Execute(&text, values); err != nil {
			return nil, err
		}
		for document := range strings.SplitSeq(text.String(), "\n---\n") {
			object := &unstructured.Unstructured{}
			if err := yaml.Unmarshal([]byte(document), &object.Object); err != nil {
				return nil, fmt.Errorf("reading the add-on %s: %w", file.Name(), err)
			}
			objects = append(objects, object)
		}
	}
	return objects, nil
}
