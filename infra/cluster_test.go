package main

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestClusterIsPrivate(t *testing.T) {
	result := mustRun(t, "dev", false, nil)
	check(t, result.ofType(t, clusterType)[0], map[string]any{
		"privateClusterConfig.enablePrivateNodes":                    true,
		"masterAuthorizedNetworksConfig.cidrBlocks":                  []any{map[string]any{"cidrBlock": "198.18.0.0/24"}},
		"masterAuthorizedNetworksConfig.gcpPublicCidrsAccessEnabled": false,
		"masterAuth.clientCertificateConfig.issueClientCertificate":  false,
		"enableShieldedNodes":                                        true,
		"datapathProvider":                                           "ADVANCED_DATAPATH",
		"workloadIdentityConfig.workloadPool":                        "my-grpc-edge-dev.svc.id.goog",
		"removeDefaultNodePool":                                      true,
	})
	for _, r := range result.resources {
		if strings.HasPrefix(r.Type, "gcp:compute/firewall") || strings.HasPrefix(r.Type, "gcp:compute/router") {
			t.Errorf("%s %s: the network needs no rule and no NAT of ours", r.Type, r.Name)
		}
	}
}

// TestNodesHaveFewRights checks that nodes may write logs and metrics and read two repositories.
func TestNodesHaveFewRights(t *testing.T) {
	result := mustRun(t, "sandbox", false, nil)
	var rights []string
	for _, r := range result.resources {
		if role := at(r.Inputs, "role"); role.IsString() {
			on := at(r.Inputs, "repository")
			if !on.IsString() {
				on = at(r.Inputs, "project")
			}
			rights = append(rights, on.StringValue()+" "+role.StringValue())
		}
	}
	slices.Sort(rights)
	want := []string{
		"registry-docker-hub roles/artifactregistry.reader",
		"registry-images roles/artifactregistry.reader",
		"sandbox-project roles/container.defaultNodeServiceAccount",
	}
	if diff := cmp.Diff(want, rights); diff != "" {
		t.Errorf("rights (-want +got):\n%s", diff)
	}
}

// TestNodesComeAfterTheirRights checks that the roles of nodes are granted before there are nodes,
// and so revoked after the last one is deleted: the engine deletes a resource before its parent,
// and the parent before its dependencies.
func TestNodesComeAfterTheirRights(t *testing.T) {
	result := mustRun(t, "sandbox", false, nil)
	for _, r := range result.ofType(t, "grpc-edge:cluster:Cluster") {
		for _, want := range []string{
			"gcp:projects/iAMMember:IAMMember nodes-node",
			"gcp:artifactregistry/repositoryIamMember:RepositoryIamMember registry-docker-hub-reader",
			"gcp:artifactregistry/repositoryIamMember:RepositoryIamMember registry-images-reader",
		} {
			if !slices.Contains(r.DependsOn, want) {
				t.Errorf("the cluster depends on %v, want %s too", r.DependsOn, want)
			}
		}
	}
	for _, kind := range []string{clusterType, nodePoolType} {
		if r := result.ofType(t, kind)[0]; r.Parent != "grpc-edge:cluster:Cluster cluster" {
			t.Errorf("%s has the parent %q", kind, r.Parent)
		}
	}
}

// TestDefaultPoolIsSmall checks that the default pool, which GKE insists on, fits into the 250 GB
// of SSD of a new project.
func TestDefaultPoolIsSmall(t *testing.T) {
	result := mustRun(t, "sandbox", false, map[string]string{"grpc-edge:clusterLocation": ""})
	check(t, result.ofType(t, clusterType)[0], map[string]any{
		"initialNodeCount": 1.0, "nodeConfig.machineType": "e2-medium",
		"nodeConfig.diskType": "pd-standard", "nodeConfig.diskSizeGb": 30.0,
	})
}

func TestNodesOfEachSeries(t *testing.T) {
	tests := []struct {
		machine, architecture, disk string
		taint                       any
	}{
		{"e2-standard-2", "amd64", "pd-balanced", nil},
		{"c3-standard-4", "amd64", "pd-balanced", nil},
		{"c4-standard-2", "amd64", "hyperdisk-balanced", nil},
		{"c4d-standard-2", "amd64", "hyperdisk-balanced", nil},
		{"n4-standard-2", "amd64", "hyperdisk-balanced", nil},
		{"n4d-standard-2", "amd64", "hyperdisk-balanced", nil},
		{"t2a-standard-2", "arm64", "pd-balanced", "NONE"},
		{"c4a-standard-2", "arm64", "hyperdisk-balanced", "NONE"},
		{"n4a-standard-2", "arm64", "hyperdisk-balanced", "NONE"},
	}
	for _, test := range tests {
		result := mustRun(t, "sandbox", true, map[string]string{
			"grpc-edge:nodeMachineType": test.machine, "grpc-edge:nodeArchitecture": test.architecture,
		})
		check(t, result.ofType(t, nodePoolType)[0], map[string]any{
			"nodeConfig.machineType": test.machine, "nodeConfig.diskType": test.disk,
			"nodeConfig.taintConfig.architectureTaintBehavior": test.taint,
		})
	}
}

// TestClusterChoices checks what a stack can choose for its cluster, beyond what the golden lists
// show.
func TestClusterChoices(t *testing.T) {
	tests := []struct {
		changes       map[string]string
		cluster, pool map[string]any
	}{
		{
			map[string]string{"grpc-edge:dnsEndpoint": "true", "grpc-edge:authorizedNetworks": "[]"},
			map[string]any{
				"controlPlaneEndpointsConfig.dnsEndpointConfig.allowExternalTraffic": true,
				"controlPlaneEndpointsConfig.ipEndpointsConfig.enabled":              false,
				"masterAuthorizedNetworksConfig":                                     nil,
			}, nil,
		},
		{
			map[string]string{"grpc-edge:nodeCountMax": "4", "grpc-edge:nodeSpot": "true"}, nil,
			map[string]any{"nodeCount": nil, "autoscaling.minNodeCount": 1.0, "autoscaling.maxNodeCount": 4.0, "autoscaling.locationPolicy": "ANY"},
		},
		{
			map[string]string{"grpc-edge:securityPosture": "false", "grpc-edge:logging": "[]"},
			map[string]any{"securityPostureConfig.mode": "DISABLED", "loggingConfig.enableComponents": []any{}}, nil,
		},
		{map[string]string{"grpc-edge:flowLogs": "true"}, map[string]any{"enableIntranodeVisibility": true}, nil},
		{
			map[string]string{"grpc-edge:labels": `{"team":"edge"}`},
			map[string]any{"resourceLabels": map[string]any{"team": "edge"}},
			map[string]any{"nodeConfig.resourceLabels": map[string]any{"team": "edge"}},
		},
	}
	for _, test := range tests {
		result := mustRun(t, "sandbox", false, test.changes)
		check(t, result.ofType(t, clusterType)[0], test.cluster)
		check(t, result.ofType(t, nodePoolType)[0], test.pool)
	}
}

func TestFlowLogs(t *testing.T) {
	for value, want := range map[string]any{"true": 0.5, "false": nil} {
		result := mustRun(t, "sandbox", true, map[string]string{"grpc-edge:flowLogs": value})
		check(t, result.ofType(t, "gcp:compute/subnetwork:Subnetwork")[0], map[string]any{"logConfig.flowSampling": want})
	}
}

// TestNAT checks that the NAT is for listed subnets only, and logs only errors.
func TestNAT(t *testing.T) {
	result := mustRun(t, "sandbox", false, map[string]string{"grpc-edge:nat": "true"})
	check(t, result.ofType(t, "gcp:compute/routerNat:RouterNat")[0], map[string]any{
		"sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS", "logConfig.filter": "ERRORS_ONLY", "natIpAllocateOption": "AUTO_ONLY",
	})
}
