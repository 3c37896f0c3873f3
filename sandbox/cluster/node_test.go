package cluster

import (
	"encoding/json"
	"io/fs"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"gotest.tools/v3/golden"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/yaml"

	"example.com/grpc-edge/sandbox/gcp/container"
	"example.com/grpc-edge/sandbox/node/vm"
)

func testPlane(t *testing.T) *controlPlane {
	t.Helper()
	dir := t.TempDir()
	return &controlPlane{
		spec: container.ClusterSpec{
			Name: "edge", Project: "demo", Location: "us-central1-a",
			SubnetCIDR: netip.MustParsePrefix("10.0.0.0/29"), PodCIDR: netip.MustParsePrefix("10.4.0.0/14"),
			ServiceCIDR: netip.MustParsePrefix("10.8.0.0/20"), ControlPlaneCIDR: netip.MustParsePrefix("172.16.0.0/28"),
		},
		dir: dir, internal: netip.MustParseAddr("172.16.0.2"), external: netip.MustParseAddr("198.51.100.2"),
		ca: newAuthority(t, filepath.Join(dir, "pki")), bin: func(name string) string { return "/cache/bin/" + name },
		tokens: "/state/credentials/tokens.csv",
	}
}

func testNode(t *testing.T, plane *controlPlane) *node {
	t.Helper()
	return &node{
		name: "gke-edge-pool-0", zone: "us-central1-a", dir: filepath.Join(plane.dir, "nodes", "gke-edge-pool-0"),
		pool:    container.NodePoolSpec{Cluster: "edge", Name: "pool", MachineType: "e2-standard-4", Labels: map[string]string{"team": "edge"}},
		address: netip.MustParseAddr("10.0.0.2"), plane: plane, debs: "/cache/packages/root", env: []string{"PATH=/cache/bin"},
		registries: []string{"us-central1-docker.pkg.dev", SystemRegistry}, registryCA: "/state/pki/ca.crt", trust: "/state/trust.pem", cpus: 4,
	}
}

// compare compares text with a file in testdata. In the file, /state/clusters/edge stands for dir.
func compare(t *testing.T, name, dir, text string) {
	t.Helper()
	golden.Assert(t, strings.ReplaceAll(text, dir, "/state/clusters/edge"), name)
}

func compareSpec(t *testing.T, name, dir string, spec vm.Spec) {
	t.Helper()
	text, err := json.MarshalIndent(spec, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	compare(t, name, dir, string(text)+"\n")
}

func TestNodeFiles(t *testing.T) {
	t.Parallel()
	plane := testPlane(t)
	n := testNode(t, plane)
	spec, err := n.vmSpec()
	if err != nil {
		t.Fatal(err)
	}
	compareSpec(t, "node.json", plane.dir, spec)
	if err := n.writeCNI(netip.MustParsePrefix("10.4.0.0/24")); err != nil {
		t.Fatal(err)
	}
	var written []string
	err = filepath.WalkDir(n.dir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		written = append(written, strings.TrimPrefix(path, n.dir+"/"))
		compare(t, filepath.Join("node", strings.TrimPrefix(path, n.dir)), plane.dir, string(text))
		if kind := filepath.Ext(path); kind == ".yaml" || kind == ".conflist" {
			if err := yaml.UnmarshalStrict(text, new(any)); err != nil {
				t.Errorf("%s: %v", path, err)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	want := []string{
		"certs.d/gke.gcr.io/hosts.toml", "certs.d/us-central1-docker.pkg.dev/hosts.toml", "cni/10-pods.conflist", "containerd.toml",
		"credential-provider.yaml", "hosts", "kube-proxy.yaml", "kubelet.yaml", "resolv.conf", "runtime.json",
		"sys/overcommit_memory", "sys/panic", "sys/panic_on_oom", "sys/panic_on_oops", "sys/root_maxbytes", "sys/root_maxkeys",
	}
	if diff := cmp.Diff(want, written); diff != "" {
		t.Errorf("the files differ (-want +got):\n%s", diff)
	}
	for target, source := range spec.Binds { // a VM starts only when both are there
		if _, err := os.Stat(source); err != nil {
			t.Errorf("what is mounted on %s: %v", target, err)
		}
	}
	for _, file := range []string{n.Kubeconfig(), plane.file(n.name + ".kubeconfig")} {
		testKubeconfig(t, file, "https://172.16.0.2")
	}
}

// testKubeconfig checks that client-go can connect with a kubeconfig.
func testKubeconfig(t *testing.T, file, server string) {
	t.Helper()
	config, err := clientcmd.BuildConfigFromFlags("", file)
	if err != nil {
		t.Fatal(err)
	}
	if config.Host != server || len(config.CAData) == 0 {
		t.Errorf("%s: got server %q, want %q", file, config.Host, server)
	}
	for _, file := range []string{config.CertFile, config.KeyFile} {
		if _, err := os.Stat(file); err != nil {
			t.Error(err)
		}
	}
	wantMode(t, file, 0o600)
}

func TestControlPlane(t *testing.T) {
	t.Parallel()
	plane := testPlane(t)
	spec, err := plane.vmSpec()
	if err != nil {
		t.Fatal(err)
	}
	compareSpec(t, "controlplane.json", plane.dir, spec)
	for _, name := range []string{"admin", "controller-manager", "scheduler"} {
		testKubeconfig(t, plane.file(name+".kubeconfig"), "https://172.16.0.2")
	}
	serving := issued(t, plane.ca, "apiserver", Identity{
		Name:      "kube-apiserver",
		DNSNames:  []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
		Addresses: []netip.Addr{plane.internal, plane.external, netip.MustParseAddr("10.8.0.1"), netip.MustParseAddr("127.0.0.1")},
	})
	for _, name := range []string{"kubernetes.default.svc", "172.16.0.2", "198.51.100.2", "10.8.0.1", "127.0.0.1"} {
		verify(t, plane.ca, serving, name)
	}
	keyFile := plane.file("pki/service-accounts.key")
	wantMode(t, keyFile, 0o600)
	key, err := os.ReadFile(keyFile)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := plane.vmSpec(); err != nil {
		t.Fatal(err)
	}
	if again, err := os.ReadFile(keyFile); err != nil || string(again) != string(key) {
		t.Errorf("a restart changed the key that signs pods' tokens (%v)", err)
	}
	c := &Cluster{plane: plane}
	config, err := c.RESTConfig()
	if err != nil || config.Host != "https://198.51.100.2" {
		t.Errorf("the sandbox connects to %v (%v), want the external address", config, err)
	}
}

func TestLabels(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		labels map[string]string
		want   string
	}{
		"GKE's": {nil, "cloud.google.com/gke-nodepool=pool,node.kubernetes.io/instance-type=e2-standard-4," +
			"topology.kubernetes.io/region=us-central1,topology.kubernetes.io/zone=us-central1-a"},
		"and the user's": {map[string]string{"team": "edge", "a": ""}, "a=,cloud.google.com/gke-nodepool=pool,node.kubernetes.io/instance-type=e2-standard-4," +
			"team=edge,topology.kubernetes.io/region=us-central1,topology.kubernetes.io/zone=us-central1-a"},
	}
	for name, test := range tests {
		n := &node{zone: "us-central1-a", pool: container.NodePoolSpec{Name: "pool", MachineType: "e2-standard-4", Labels: test.labels}}
		if got := n.labels(); got != test.want {
			t.Errorf("%s: got %s, want %s", name, got, test.want)
		}
	}
}

func TestNthAddress(t *testing.T) {
	t.Parallel()
	tests := []struct {
		prefix string
		n      int
		want   string
	}{
		{"10.8.0.0/20", 1, "10.8.0.1"}, {"10.8.0.0/20", 10, "10.8.0.10"}, {"10.8.0.7/20", 1, "10.8.0.1"},
		{"172.16.0.0/28", 2, "172.16.0.2"}, {"10.0.0.0/16", 256, "10.0.1.0"}, {"10.0.0.0/16", 0, "10.0.0.0"},
	}
	for _, test := range tests {
		if got := nthAddress(netip.MustParsePrefix(test.prefix), test.n); got.String() != test.want {
			t.Errorf("address %d of %s is %s, want %s", test.n, test.prefix, got, test.want)
		}
	}
}

func TestAddons(t *testing.T) {
	t.Parallel()
	c := &Cluster{plane: testPlane(t)}
	objects, err := c.addons(false)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, object := range objects {
		names = append(names, object.GetKind()+"/"+object.GetName())
		typed, err := scheme.Scheme.New(object.GroupVersionKind())
		if err != nil {
			t.Errorf("%s %s: %v", object.GetKind(), object.GetName(), err)
			continue
		}
		const unknownFieldsFail = true
		if err := runtime.DefaultUnstructuredConverter.FromUnstructuredWithValidation(object.Object, typed, unknownFieldsFail); err != nil {
			t.Errorf("%s %s: %v", object.GetKind(), object.GetName(), err)
		}
	}
	want := []string{
		"ServiceAccount/kube-dns", "ClusterRole/kube-dns", "ClusterRoleBinding/kube-dns", "ConfigMap/kube-dns", "Service/kube-dns", "Deployment/kube-dns",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("the objects differ (-want +got):\n%s", diff)
	}
	text, err := yaml.Marshal(objects)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range []string{"clusterIP: 10.8.0.10\n", "image: gke.gcr.io/coredns:latest\n"} {
		if !strings.Contains(string(text), part) {
			t.Errorf("the objects have no %q", part)
		}
	}
}

func TestSince(t *testing.T) {
	t.Parallel()
	n := &node{created: time.Date(2026, 1, 2, 3, 4, 5, 999, time.UTC)}
	// Kubernetes' times have whole seconds: a heartbeat in the second of the start counts.
	if got, want := n.since(), time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC); !got.Equal(want) {
		t.Errorf("got %s, want %s", got, want)
	}
}

// TestNodeDisk checks that a node with its own disk keeps on it everything that fills a disk, and
// that kubelet evicts pods before the disk is full.
func TestNodeDisk(t *testing.T) {
	t.Parallel()
	n := testNode(t, testPlane(t))
	n.disk = "2g"
	spec, err := n.vmSpec()
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"/var": "2g"}, spec.Tmpfs); diff != "" {
		t.Errorf("the disks differ (-want +got):\n%s", diff)
	}
	for target := range spec.Binds {
		if strings.HasPrefix(target, "/var") {
			t.Errorf("%s is on the host's disk", target)
		}
	}
	text, err := os.ReadFile(n.file("kubelet.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var kubelet struct{ EvictionHard map[string]string }
	if err := yaml.Unmarshal(text, &kubelet); err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"memory.available": "100Mi", "nodefs.available": "10%", "nodefs.inodesFree": "5%", "imagefs.available": "15%"}
	if diff := cmp.Diff(want, kubelet.EvictionHard); diff != "" {
		t.Errorf("kubelet evicts at other thresholds (-want +got):\n%s", diff)
	}
	for _, folder := range []string{n.Containerd(), n.PodLogs()} {
		if !strings.HasPrefix(folder, "/var/") {
			t.Errorf("%s is not on the node's disk", folder)
		}
	}
}
