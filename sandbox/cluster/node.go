package cluster

import (
	"embed"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"
	"time"

	"example.com/grpc-edge/sandbox/addressplan"
	"example.com/grpc-edge/sandbox/gcp/container"
	"example.com/grpc-edge/sandbox/node/vm"
)

//go:embed files
var files embed.FS

// SystemRegistry serves the images that every node needs, without credentials, as GKE's does.
const SystemRegistry = "gke.gcr.io"

// node describes one node; its processes are configured from it.
type node struct {
	name    string
	pool    container.NodePoolSpec
	zone    string
	dir     string
	address netip.Addr
	plane   *controlPlane
	disk    string // Options.NodeDisk
	debs    string // root of the unpacked distribution packages
	env     []string
	// registries are the host names that the node's registry addresses answer for.
	registries []string
	registryCA string
	trust      string // Options.Trust
	cpus       int    // of the machine
	created    time.Time
}

// kernelTunables lists the kernel settings that kubelet wants (its setupKernelTunables). They are
// the whole machine's, not a namespace's: the node sees these values by bind mounts, and the host
// keeps its own.
var kernelTunables = map[string]string{
	"vm/overcommit_memory":     "1",
	"vm/panic_on_oom":          "0",
	"kernel/panic":             "10",
	"kernel/panic_on_oops":     "1",
	"kernel/keys/root_maxkeys": "1000000",
	// 25 bytes a key
	"kernel/keys/root_maxbytes": "25000000",
}

// since returns when the node's VM was started, in whole seconds as in Kubernetes' times.
func (n *node) since() time.Time { return n.created.Truncate(time.Second) }

func (n *node) file(parts ...string) string {
	return filepath.Join(append([]string{n.dir}, parts...)...)
}

// CNIDir and the methods below fill the templates in files/.
func (n *node) CNIDir() string     { return n.file("cni") }
func (n *node) CNIBin() string     { return filepath.Join(n.debs, "usr/lib/cni") }
func (n *node) Containerd() string { return "/var/lib/containerd" }
func (n *node) CertsDir() string   { return n.file("certs.d") }
func (n *node) Pause() string      { return SystemRegistry + "/pause:latest" }
func (n *node) CA() string         { return n.plane.ca.CertFile() }
func (n *node) Cert() string       { return filepath.Join(n.plane.dir, "pki", n.name+".crt") }
func (n *node) Key() string        { return filepath.Join(n.plane.dir, "pki", n.name+".key") }
func (n *node) DNS() string        { return nthAddress(n.plane.spec.ServiceCIDR, 10).String() }
func (n *node) PodLogs() string    { return "/var/log/pods" }
func (n *node) Address() string    { return n.address.String() }
func (n *node) Kubeconfig() string { return n.plane.file("kube-proxy.kubeconfig") }
func (n *node) PodRange() string   { return n.plane.spec.PodCIDR.String() }
func (n *node) Name() string       { return n.name }
func (n *node) Disk() string       { return n.disk }

// ReservedCPU returns the CPU that the node keeps from pods, in thousandths of a core.
func (n *node) ReservedCPU() int { return reserved(n.pool, n.cpus) }

// Trust and RuntimeSpec return the paths of files that all containers get. RuntimeSpec is what `ctr
// oci spec` of containerd 1.6 prints, with the trusted authorities where Go and OpenSSL look for
// them, and the variables for libraries that look elsewhere (requests and gRPC for Python).
func (n *node) Trust() string       { return n.trust }
func (n *node) RuntimeSpec() string { return n.file("runtime.json") }

func (n *node) vmSpec() (vm.Spec, error) {
	identity := Identity{Name: "system:node:" + n.name, Organizations: []string{"system:nodes"}, DNSNames: []string{n.name}, Addresses: []netip.Addr{n.address}}
	if err := n.plane.client(n.name, identity, n.plane.url()); err != nil {
		return vm.Spec{}, err
	}
	if err := n.plane.client("kube-proxy", Identity{Name: "system:kube-proxy"}, n.plane.url()); err != nil {
		return vm.Spec{}, err
	}
	binds, err := n.writeFiles()
	if err != nil {
		return vm.Spec{}, err
	}
	return vm.Spec{
		Name: n.name, LogDir: n.file("log"), Tmpfs: n.tmpfs(), Binds: binds,
		Sysctls: map[string]string{"net/ipv4/ip_forward": "1", "net/bridge/bridge-nf-call-iptables": "1"},
		Processes: []vm.Process{
			{Name: "containerd", Env: n.env, Args: []string{filepath.Join(n.debs, "usr/bin/containerd"), "--config", n.file("containerd.toml")}},
			{Name: "kubelet", Env: n.env, Args: []string{
				n.plane.bin("kubelet"), "--kubeconfig=" + n.plane.file(n.name+".kubeconfig"), "--config=" + n.file("kubelet.yaml"),
				"--hostname-override=" + n.name, "--node-ip=" + n.address.String(), "--node-labels=" + n.labels(),
				"--image-credential-provider-config=" + n.file("credential-provider.yaml"), "--image-credential-provider-bin-dir=" + filepath.Dir(n.plane.bin("kubelet")),
			}},
			{Name: "kube-proxy", Env: n.env, Args: []string{n.plane.bin("kube-proxy"), "--config=" + n.file("kube-proxy.yaml"), "--hostname-override=" + n.name}},
		},
	}, nil
}

// labels returns the labels that GKE gives a node ("Well-Known Labels, Annotations and Taints").
func (n *node) labels() string {
	labels := map[string]string{
		"cloud.google.com/gke-nodepool":    n.pool.Name,
		"node.kubernetes.io/instance-type": n.pool.MachineType,
		"topology.kubernetes.io/zone":      n.zone,
		"topology.kubernetes.io/region":    regionOf(n.zone),
	}
	maps.Copy(labels, n.pool.Labels)
	var list []string
	for _, key := range slices.Sorted(maps.Keys(labels)) {
		list = append(list, key+"="+labels[key])
	}
	return strings.Join(list, ",")
}

// tmpfs returns the node's disk, if it has its own. It is mounted once: with several mounts,
// kubelet could not tell that they are one file system, because memory has no device.
func (n *node) tmpfs() map[string]string {
	if n.disk == "" {
		return nil
	}
	return map[string]string{"/var": n.disk}
}

// writeFiles writes the configuration of the node's processes and returns what is mounted over the host's files.
func (n *node) writeFiles() (binds map[string]string, err error) {
	for _, dir := range []string{"cni", "certs.d", "varlog", "varlib", "sys", "log"} {
		if err := os.MkdirAll(n.file(dir), 0o755); err != nil {
			return nil, err
		}
	}
	templates := template.Must(template.ParseFS(files, "files/node/*"))
	for _, t := range templates.Templates() {
		if t.Name() == "cni.conflist" {
			continue // needs the node's pod range, which the cluster gives it later
		}
		if err := n.render(t, n.file(t.Name()), n); err != nil {
			return nil, err
		}
	}
	hosts := "127.0.0.1 localhost\n"
	for _, host := range n.registries {
		hosts += fmt.Sprintf("%s %s\n", addressplan.GoogleAPIs, host)
		toml := fmt.Sprintf("server = %[1]q\n\n[host.%[1]q]\n  capabilities = [\"pull\", \"resolve\"]\n  ca = %[2]q\n", "https://"+host, n.registryCA)
		if err := os.MkdirAll(n.file("certs.d", host), 0o755); err != nil {
			return nil, err
		}
		if err := os.WriteFile(n.file("certs.d", host, "hosts.toml"), []byte(toml), 0o644); err != nil {
			return nil, err
		}
	}
	hosts += fmt.Sprintf("%s metadata.google.internal\n", addressplan.Metadata)
	if err := os.WriteFile(n.file("hosts"), []byte(hosts), 0o644); err != nil {
		return nil, err
	}
	// Nothing of the host's resolver may leak into pods.
	if err := os.WriteFile(n.file("resolv.conf"), []byte("nameserver 169.254.169.254\n"), 0o644); err != nil {
		return nil, err
	}
	binds = map[string]string{
		"/etc/hosts": n.file("hosts"), "/etc/resolv.conf": n.file("resolv.conf"),
	}
	if n.disk == "" {
		// kubelet keeps its default folder: its sockets' paths may have 108 bytes, and those of this folder may be long.
		binds["/var/log"], binds["/var/lib"] = n.file("varlog"), n.file("varlib")
	}
	for key, value := range kernelTunables {
		file := n.file("sys", filepath.Base(key))
		if err := os.WriteFile(file, []byte(value+"\n"), 0o644); err != nil {
			return nil, err
		}
		binds["/proc/sys/"+key] = file
	}
	return binds, nil
}

func (n *node) render(t *template.Template, file string, data any) error {
	f, err := os.Create(file)
	if err != nil {
		return err
	}
	defer f.Close()
	if err := t.Execute(f, data); err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	return f.Close()
}

// writeCNI makes the node's pod network known to containerd, which makes the node ready.
func (n *node) writeCNI(pods netip.Prefix) error {
	t := template.Must(template.ParseFS(files, "files/node/cni.conflist"))
	// Written in place: containerd reloads on a write, and not when a file is moved into the folder.
	return n.render(t, filepath.Join(n.CNIDir(), "10-pods.conflist"), pods.String())
}
