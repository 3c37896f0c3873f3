package gcpprovider

import (
	"strings"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

func TestDiff(t *testing.T) {
	t.Parallel()
	e := newEngine(t, noRuntime{})
	states, inputs := map[string]state{}, map[string]props{}
	for _, step := range program() {
		states[step.token], inputs[step.token] = e.create(step.token, step.inputs), step.inputs
	}
	const none, update, replace = pulumirpc.PropertyDiff_Kind(-1), pulumirpc.PropertyDiff_UPDATE, pulumirpc.PropertyDiff_UPDATE_REPLACE
	networks := func(ranges ...string) props {
		var blocks []any
		for _, r := range ranges {
			blocks = append(blocks, props{"cidrBlock": r})
		}
		return props{"masterAuthorizedNetworksConfig": props{"cidrBlocks": blocks}}
	}
	cases := []struct {
		name, token string
		change      props
		path        string
		kind        pulumirpc.PropertyDiff_Kind
	}{
		{"network name", networkType, props{"name": "other"}, "name", replace},
		{"routing mode", networkType, props{"routingMode": "GLOBAL"}, "routingMode", pulumirpc.PropertyDiff_ADD},
		{"routing mode as it is", networkType, props{"routingMode": "REGIONAL"}, "", none},
		{"description", networkType, props{"description": "d"}, "description", pulumirpc.PropertyDiff_ADD_REPLACE},
		{"range expands", subnetworkType, props{"ipCidrRange": "10.0.0.0/19"}, "ipCidrRange", update},
		{"range shrinks", subnetworkType, props{"ipCidrRange": "10.0.0.0/21"}, "ipCidrRange", replace},
		{"network by another name", subnetworkType, props{"network": "net"}, "", none},
		{"secondary range", subnetworkType, props{"secondaryIpRanges": []any{props{"rangeName": "pods", "ipCidrRange": "10.4.0.0/14"}}},
			"secondaryIpRanges[1]", pulumirpc.PropertyDiff_DELETE},
		{"region as it is", subnetworkType, props{"region": "us-central1"}, "", none},
		{"access left out", subnetworkType, props{"privateIpGoogleAccess": nil}, "", none},
		{"addresses of a name", "gcp:dns/recordSet:RecordSet", props{"rrdatas": []any{"203.0.113.11"}}, "rrdatas[0]", update},
		{"labels", "gcp:compute/address:Address", props{"labels": props{"app": "x"}}, "labels.app", update},
		{"repository location", repositoryType, props{"location": "europe-west1"}, "location", replace},
		{"cluster subnet", clusterToken, props{"subnetwork": "other"}, "subnetwork", replace},
		{"cluster ranges", clusterToken, props{"ipAllocationPolicy": props{"clusterSecondaryRangeName": "other", "servicesSecondaryRangeName": "services"}},
			"ipAllocationPolicy.clusterSecondaryRangeName", replace},
		{"authorized networks", clusterToken, networks("192.0.2.0/24", "10.1.0.0/16"), "masterAuthorizedNetworksConfig.cidrBlocks[0].cidrBlock", update},
		{"authorized networks in another order", clusterToken, networks("192.0.2.0/24", "10.0.0.0/8"), "", none},
		{"an authorized network more", clusterToken, networks("198.51.100.0/24", "192.0.2.0/24", "10.0.0.0/8"),
			"masterAuthorizedNetworksConfig.cidrBlocks[2]", pulumirpc.PropertyDiff_ADD},
		{"an authorized network less", clusterToken, networks("192.0.2.0/24"), "masterAuthorizedNetworksConfig.cidrBlocks[0]", pulumirpc.PropertyDiff_DELETE},
		{"release channel", clusterToken, props{"releaseChannel": props{"channel": "RAPID"}}, "releaseChannel", pulumirpc.PropertyDiff_ADD},
		{"control plane left out", clusterToken, props{"privateClusterConfig": props{"enablePrivateNodes": true}},
			"privateClusterConfig.masterIpv4CidrBlock", pulumirpc.PropertyDiff_DELETE_REPLACE},
		{"node count", poolToken, props{"nodeCount": 2}, "nodeCount", update},
		{"spot", poolToken, props{"nodeConfig": props{"machineType": "e2-medium", "serviceAccount": "default", "spot": true}}, "nodeConfig.serviceAccount", replace},
		{"dashboard written otherwise", dashboardToken, props{"dashboardJson": strings.Join(strings.Fields(dashboardJSON), "")}, "", none},
		{"dashboard's widget", dashboardToken, props{"dashboardJson": strings.Replace(dashboardJSON, "Hello", "Bye", 1)}, "dashboardJson", update},
		{"dashboard's field more", dashboardToken, props{"dashboardJson": strings.Replace(dashboardJSON, `"width"`, `"xPos": 1, "width"`, 1)}, "dashboardJson", update},
		{"dashboard's field less", dashboardToken, props{"dashboardJson": strings.Replace(dashboardJSON, `"title": "T", `, "", 1)}, "", none},
		{"dashboard's project", dashboardToken, props{"project": "other-project"}, "project", pulumirpc.PropertyDiff_ADD_REPLACE},
		{"default of a policy", policyToken, props{"documentation": props{"content": "Look at the access log.", "mimeType": "text/markdown"}}, "", none},
		{"policy", policyToken, props{"severity": "ERROR"}, "severity", update},
		{"note's text", noteType, props{"attestationAuthority": props{"hint": props{"humanReadableName": "Other"}}}, "attestationAuthority.hint.humanReadableName", update},
		{"secondary ranges left out", subnetworkType, props{"secondaryIpRanges": nil}, "", none},
		{"record's address", "gcp:dns/recordSet:RecordSet", props{"rrdatas": []any{"203.0.113.11"}}, "rrdatas[0]", update},
		{"record's name", "gcp:dns/recordSet:RecordSet", props{"name": "www.example.com."}, "name", replace},
		{"machine type", poolToken, props{"nodeConfig": props{"machineType": "n2-standard-2", "serviceAccount": "nodes-account@test-project.iam.gserviceaccount.com", "spot": true}},
			"nodeConfig.machineType", update},
	}
	for _, tc := range cases {
		news := props{}
		for _, m := range []props{inputs[tc.token], tc.change} {
			for key, value := range m {
				if news[key] = value; value == nil {
					delete(news, key)
				}
			}
		}
		got, _ := e.diff(states[tc.token], news)
		if tc.kind == none {
			if got.Changes != pulumirpc.DiffResponse_DIFF_NONE {
				t.Errorf("%s: %v, want no change", tc.name, got.DetailedDiff)
			}
			continue
		}
		change := got.DetailedDiff[tc.path]
		if len(got.DetailedDiff) != 1 || change == nil || change.Kind != tc.kind {
			t.Errorf("%s: %v, want only %s: %v", tc.name, got.DetailedDiff, tc.path, tc.kind)
			continue
		}
		if replaces := strings.HasSuffix(tc.kind.String(), "_REPLACE"); replaces != (len(got.Replaces) > 0) ||
			got.DeleteBeforeReplace != (replaces && resourceTypes[tc.token].autoname != "") {
			t.Errorf("%s: replaces %v, delete before %v", tc.name, got.Replaces, got.DeleteBeforeReplace)
		}
	}
}
