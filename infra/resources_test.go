package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
)

const (
	configMapType  = "kubernetes:core/v1:ConfigMap"
	deploymentType = "kubernetes:apps/v1:Deployment"
	serviceType    = "kubernetes:core/v1:Service"
	secretType     = "kubernetes:core/v1:Secret"
	clusterType    = "gcp:container/cluster:Cluster"
	providerType   = "pulumi:providers:kubernetes"
)

// at follows a path such as spec.containers[0].image; the zero value if there is
// nothing.
func at(inputs resource.PropertyMap, path string) resource.PropertyValue {
	parsed, err := resource.ParsePropertyPath(path)
	if err != nil {
		panic(err)
	}
	value, _ := parsed.Get(resource.NewObjectProperty(inputs))
	return value
}

func (s stackRun) ofType(t *testing.T, kind string) []registered {
	t.Helper()
	var list []registered
	for _, r := range s.resources {
		if r.Type == kind {
			list = append(list, r)
		}
	}
	if len(list) == 0 {
		t.Fatalf("no resource of type %s", kind)
	}
	return list
}

// check compares values at paths of a resource.
func check(t *testing.T, r registered, want map[string]any) {
	t.Helper()
	for path, value := range want {
		if diff := cmp.Diff(value, plain(at(r.Inputs, path))); diff != "" {
			t.Errorf("%s %s: %s (-want +got):\n%s", r.Type, r.Name, path, diff)
		}
	}
}
