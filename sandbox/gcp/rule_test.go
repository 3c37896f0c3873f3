package gcp

import (
	"context"
	"strings"
	"testing"
)

func TestDeleteIsRefusedWhileInUse(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), newFakeRuntime())
	build(t, c)
	create(t, c, KindRouter, Properties{"name": "r", "network": "net"})
	create(t, c, KindRouterNAT, Properties{"name": "nat", "router": "r", "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS",
		"natIpAllocateOption": "AUTO_ONLY", "subnetworks": []any{Properties{"name": subnetName}}})
	address, _ := ReservedAddress(c, "test-project", "us-central1", "ip")
	rule := ForwardingRule{Name: "a1", Project: "test-project", Region: "us-central1", Cluster: "gke", Address: address, Ports: []int32{443}}
	if err := PutForwardingRule(c, rule); err != nil {
		t.Fatal(err)
	}
	steps := []struct{ name, want string }{
		{"projects/test-project/global/networks/none", "was not found"},
		{networkName, "The network resource '" + networkName + "' is already being used by '"},
		{subnetName, "The subnetwork resource '" + subnetName + "' is already being used by '" + clusterPath},
		{addressName, "is already being used by 'projects/test-project/regions/us-central1/forwardingRules/a1'"},
		{"projects/test-project/services/compute.googleapis.com", "is depended on by the following active service(s): container.googleapis.com"},
		{clusterPath, ""}, // its pool goes with it
		{subnetName, "is already being used by 'projects/test-project/regions/us-central1/routers/r/nats/nat'"},
		{"projects/test-project/regions/us-central1/routers/r", ""}, // its gateway goes with it
		{subnetName, ""},
		{networkName, "is already being used by 'projects/test-project/global/firewalls/k8s-fw-a1'"},
	}
	for _, step := range steps {
		err := c.Delete(context.Background(), step.name)
		if got := errorText(err); step.want == "" && err != nil || !strings.Contains(got, step.want) {
			t.Errorf("Delete(%s) = %q, want %q", step.name, got, step.want)
		}
	}
	if err := DeleteForwardingRule(c, "a1"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{networkName, addressName, "projects/test-project/serviceAccounts/" + accountEmail,
		"projects/test-project/locations/us-central1/repositories/images"} {
		remove(t, c, name)
	}
	if left := c.Objects(); len(left) != 0 {
		t.Errorf("Objects() = %v, want none", left)
	}
}

func TestAPIsAreRequired(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), newFakeRuntime())
	for kind, config := range map[Kind]Properties{
		KindNetwork: {"name": "n"}, KindServiceAccount: {"accountId": "account"},
		KindProjectMember: {"role": "roles/viewer", "member": "allUsers"},
		KindRepository:    {"repositoryId": "r", "format": "DOCKER"},
		KindCluster:       {"name": "c"},
		KindDashboard:     {"dashboardJson": `{"displayName": "d", "gridLayout": {}}`},
		KindAlertPolicy:   {"displayName": "p", "combiner": "OR"}, KindNotificationChannel: {"type": "email"},
	} {
		_, err := c.Create(context.Background(), kind, here, config)
		want := "before or it is disabled. Enable it by visiting https://console.developers.google.com/apis/api/" + kind.API()
		if code(err) != 403 || !strings.Contains(errorText(err), want) {
			t.Errorf("Create(%s) = %v, want 403 with %q", kind, err, want)
		}
	}
	create(t, c, KindService, Properties{"service": "container.googleapis.com"})
	create(t, c, KindNetwork, Properties{"name": "n"}) // compute came with container
	create(t, c, KindService, Properties{"service": "container.googleapis.com"})
}

func TestQuota(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), newFakeRuntime())
	enable(t, c)
	var err error
	for _, name := range strings.Fields("a b c d e f") {
		_, err = c.Create(context.Background(), KindNetwork, here, Properties{"name": name})
	}
	if want := "Quota 'NETWORKS' exceeded.  Limit: 5.0 globally., quotaExceeded"; code(err) != 403 || !strings.Contains(errorText(err), want) {
		t.Errorf("sixth network: %v, want %q", err, want)
	}
	for _, name := range strings.Fields("a b c d e f g h i") {
		_, err = c.Create(context.Background(), KindAddress, here, Properties{"name": name})
	}
	if want := "Limit: 8.0 in region us-central1."; !strings.Contains(errorText(err), want) {
		t.Errorf("ninth address: %v, want %q", err, want)
	}
	if _, err := c.Create(context.Background(), KindAddress, here, Properties{"name": "a", "region": "us-east1"}); err != nil {
		t.Errorf("address in another region: %v, want nil", err)
	}
}
