package kubernetes

import (
	"context"
	"fmt"
	"os"
	"reflect"
	"strings"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"example.com/grpc-edge/sandbox/property"
)

// CheckConfig refuses settings that would change what the provider does and
// that it does not have.
func (p *provider) CheckConfig(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	resp := &pulumirpc.CheckResponse{Inputs: req.GetNews()}
	config := req.GetNews().AsMap()
	fail := func(name, reason string) {
		resp.Failures = append(resp.Failures, &pulumirpc.CheckFailure{Property: name, Reason: reason})
	}
	if text(config, "enableServerSideApply") == "false" {
		fail("enableServerSideApply", "may not be false: the sandbox's provider always uses server-side apply")
	}
	if text(config, "renderYamlToDirectory") != "" {
		fail("renderYamlToDirectory", "must be empty: the sandbox's provider renders no files")
	}
	if !property.HasUnknown(config["kubeconfig"]) {
		if _, err := loadKubeconfig(text(config, "kubeconfig")); err != nil {
			fail("kubeconfig", err.Error())
		}
	}
	return resp, nil
}

// DiffConfig replaces the provider, and with it everything in the cluster, only
// if it means another cluster: by clusterIdentifier where that is set, else by
// the active cluster of the kubeconfig.
func (p *provider) DiffConfig(_ context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	olds, news := req.GetOldInputs().AsMap(), req.GetNews().AsMap()
	replace := anotherCluster(olds, news)
	return property.Diff(req.GetOldInputs(), req.GetNews(), func(path string) bool {
		switch path {
		case "clusterIdentifier", "kubeconfig", "context", "cluster":
			return replace
		}
		return false
	})
}

func anotherCluster(olds, news map[string]any) bool {
	before, after := text(olds, "clusterIdentifier"), text(news, "clusterIdentifier")
	if before != "" && after != "" {
		return before != after
	}
	for _, name := range []string{"kubeconfig", "context", "cluster"} {
		if property.HasUnknown(news[name]) {
			return true // it may be another one: show the worst case
		}
	}
	oldCluster, oldFound := activeCluster(olds)
	newCluster, newFound := activeCluster(news)
	return oldFound && newFound && !reflect.DeepEqual(oldCluster, newCluster)
}

// activeCluster is the entry of the kubeconfig that the provider talks to.
func activeCluster(config map[string]any) (*clientcmdapi.Cluster, bool) {
	kubeconfig, err := loadKubeconfig(text(config, "kubeconfig"))
	if err != nil {
		return nil, false
	}
	name := text(config, "cluster")
	if name == "" {
		current := text(config, "context")
		if current == "" {
			current = kubeconfig.CurrentContext
		}
		if used := kubeconfig.Contexts[current]; used != nil {
			name = used.Cluster
		}
	}
	cluster, found := kubeconfig.Clusters[name]
	if !found {
		return nil, false
	}
	cluster.LocationOfOrigin = "" // a copy of the file is the same cluster
	return cluster, true
}

// loadKubeconfig reads a kubeconfig given as its content or its path; empty
// means the one kubectl would use.
func loadKubeconfig(given string) (*clientcmdapi.Config, error) {
	if given == "" {
		config, err := clientcmd.NewDefaultClientConfigLoadingRules().Load()
		if err != nil {
			return nil, fmt.Errorf("reading the default kubeconfig: %w", err)
		}
		return config, nil
	}
	if !strings.Contains(given, "\n") {
		if _, err := os.Stat(given); err == nil {
			config, err := clientcmd.LoadFromFile(given)
			if err != nil {
				return nil, fmt.Errorf("reading kubeconfig %q: %w", given, err)
			}
			return config, nil
		}
	}
	config, err := clientcmd.Load([]byte(given))
	if err != nil {
		return nil, fmt.Errorf("reading kubeconfig, which may be the content or the path of one: %w", err)
	}
	return config, nil
}

// text returns a setting as text. The engine gives what is not text as JSON.
func text(config map[string]any, name string) string {
	if value, set := config[name]; set && value != nil {
		return fmt.Sprint(value)
	}
	return ""
}
