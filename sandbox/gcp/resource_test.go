package gcp_test

import (
	"context"
	"strings"
	"testing"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/artifactregistry"
	"example.com/grpc-edge/sandbox/gcp/compute"
	"example.com/grpc-edge/sandbox/gcp/container"
	"example.com/grpc-edge/sandbox/gcp/gcptest"
	"example.com/grpc-edge/sandbox/gcp/iam"
	"example.com/grpc-edge/sandbox/gcp/monitoring"
)

func TestDeleteIsRefusedWhileInUse(t *testing.T) {
	t.Parallel()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Build(t, c)
	gcptest.Create(t, c, compute.KindRouter, gcp.Properties{"name": "r", "network": "net"})
	gcptest.Create(t, c, compute.KindRouterNAT, gcp.Properties{"name": "nat", "router": "r", "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS",
		"natIpAllocateOption": "AUTO_ONLY", "subnetworks": []any{gcp.Properties{"name": gcptest.SubnetworkName}}})
	address, _ := compute.ReservedAddress(c, "test-project", "us-central1", "ip")
	rule := container.ForwardingRule{Name: "a1", Project: "test-project", Region: "us-central1", Cluster: "gke", Address: address, Ports: []int32{443}}
	if err := container.PutForwardingRule(c, rule); err != nil {
		t.Fatal(err)
	}
	steps := []struct{ name, want string }{
		{"projects/test-project/global/networks/none", "was not found"},
		{gcptest.NetworkName, "The network resource '" + gcptest.NetworkName + "' is already being used by '"},
		{gcptest.SubnetworkName, "The subnetwork resource '" + gcptest.SubnetworkName + "' is already being used by '" + gcptest.ClusterName},
		{gcptest.AddressName, "is already being used by 'projects/test-project/regions/us-central1/forwardingRules/a1'"},
		{"projects/test-project/services/compute.googleapis.com", "is depended on by the following active service(s): container.googleapis.com"},
		{gcptest.ClusterName, ""}, // its pool goes with it
		{gcptest.SubnetworkName, "is already being used by 'projects/test-project/regions/us-central1/routers/r/nats/nat'"},
		{"projects/test-project/regions/us-central1/routers/r", ""}, // its gateway goes with it
		{gcptest.SubnetworkName, ""},
		{gcptest.NetworkName, "is already being used by 'projects/test-project/global/firewalls/k8s-fw-a1'"},
	}
	for _, step := range steps {
		err := c.Delete(context.Background(), step.name)
		if got := gcptest.ErrorText(err); step.want == "" && err != nil || !strings.Contains(got, step.want) {
			t.Errorf("Delete(%s) = %q, want %q", step.name, got, step.want)
		}
	}
	if err := container.DeleteForwardingRule(c, "a1"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{gcptest.NetworkName, gcptest.AddressName, "projects/test-project/serviceAccounts/" + gcptest.AccountEmail,
		"projects/test-project/locations/us-central1/repositories/images"} {
		gcptest.Remove(t, c, name)
	}
	if left := c.Objects(); len(left) != 0 {
		t.Errorf("Objects() = %v, want none", left)
	}
}

func TestAPIsAreRequired(t *testing.T) {
	t.Parallel()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	for kind, config := range map[gcp.Kind]gcp.Properties{
		compute.KindNetwork: {"name": "n"}, iam.KindServiceAccount: {"accountId": "account"},
		iam.KindProjectMember:           {"role": "roles/viewer", "member": gcptest.Member},
		artifactregistry.KindRepository: {"repositoryId": "r", "format": "DOCKER"},
		container.KindCluster:           {"name": "c"},
		monitoring.KindDashboard:        {"dashboardJson": `{"displayName": "d", "gridLayout": {}}`},
		monitoring.KindAlertPolicy:      {"displayName": "p", "combiner": "OR"}, monitoring.KindNotificationChannel: {"type": "email"},
	} {
		_, err := c.Create(context.Background(), kind, gcptest.Here, config)
		want := "before or it is disabled. Enable it by visiting https://console.developers.google.com/apis/api/" + kind.API()
		if gcptest.Code(err) != 403 || !strings.Contains(gcptest.ErrorText(err), want) {
			t.Errorf("Create(%s) = %v, want 403 with %q", kind, err, want)
		}
	}
	gcptest.Create(t, c, gcp.KindService, gcp.Properties{"service": "container.googleapis.com"})
	gcptest.Create(t, c, compute.KindNetwork, gcp.Properties{"name": "n"}) // compute came with container
	gcptest.Create(t, c, gcp.KindService, gcp.Properties{"service": "container.googleapis.com"})
}

func TestQuota(t *testing.T) {
	t.Parallel()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Enable(t, c)
	var err error
	for _, name := range strings.Fields("a b c d e f") {
		_, err = c.Create(context.Background(), compute.KindNetwork, gcptest.Here, gcp.Properties{"name": name})
	}
	if want := "Quota 'NETWORKS' exceeded.  Limit: 5.0 globally., quotaExceeded"; gcptest.Code(err) != 403 || !strings.Contains(gcptest.ErrorText(err), want) {
		t.Errorf("sixth network: %v, want %q", err, want)
	}
	for _, name := range strings.Fields("a b c d e f g h i") {
		_, err = c.Create(context.Background(), compute.KindAddress, gcptest.Here, gcp.Properties{"name": name})
	}
	if want := "Limit: 8.0 in region us-central1."; !strings.Contains(gcptest.ErrorText(err), want) {
		t.Errorf("ninth address: %v, want %q", err, want)
	}
	if _, err := c.Create(context.Background(), compute.KindAddress, gcptest.Here, gcp.Properties{"name": "a", "region": "us-east1"}); err != nil {
		t.Errorf("address in another region: %v, want nil", err)
	}
}
