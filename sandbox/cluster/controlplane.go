package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"

	"example.com/grpc-edge/sandbox/addressplan"
	"example.com/grpc-edge/sandbox/gcp/container"
	"example.com/grpc-edge/sandbox/node/vm"
)

// controlPlane describes one control plane; its processes are configured from it.
type controlPlane struct {
	spec     container.ClusterSpec
	dir      string
	internal netip.Addr // on the VPC, what nodes and pods use
	external netip.Addr // what kubectl and Pulumi use
	ca       *Authority
	bin      func(name string) string
	tokens   string // token,user,uid,groups lines: the static token file of kube-apiserver
}

func (c *controlPlane) url() string { return fmt.Sprintf("https://%s", c.internal) }

// nthAddress returns the address n after a range's network address. Kubernetes gives the API
// server's Service the first, and GKE gives kube-dns the tenth.
func nthAddress(p netip.Prefix, n int) netip.Addr {
	a := p.Masked().Addr()
	for range n {
		a = a.Next()
	}
	return a
}

// vmSpec writes the control plane's keys and kubeconfigs and returns the description of its
// VM.
func (c *controlPlane) vmSpec() (vm.Spec, error) {
	serving, servingKey, err := c.ca.Issue("apiserver", Identity{
		Name:      "kube-apiserver",
		DNSNames:  []string{"kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"},
		Addresses: []netip.Addr{c.internal, c.external, nthAddress(c.spec.ServiceCIDR, 1), netip.MustParseAddr("127.0.0.1")},
	})
	if err != nil {
		return vm.Spec{}, err
	}
	kubelet, kubeletKey, err := c.ca.Issue("apiserver-kubelet-client", Identity{Name: "kube-apiserver-kubelet-client", Organizations: []string{"system:masters"}})
	if err != nil {
		return vm.Spec{}, err
	}
	if err := c.serviceAccountKey(); err != nil {
		return vm.Spec{}, err
	}
	if err := c.clients(); err != nil {
		return vm.Spec{}, err
	}
	hosts := fmt.Sprintf("127.0.0.1 localhost\n%s %s\n", addressplan.GoogleAPIs, BinaryAuthorization)
	if err := os.WriteFile(c.file("hosts"), []byte(hosts), 0o644); err != nil {
		return vm.Spec{}, err
	}
	saKey := filepath.Join(c.dir, "pki", "service-accounts.key")
	return vm.Spec{
		Name:   c.spec.Name,
		LogDir: filepath.Join(c.dir, "log"),
		Binds:  map[string]string{"/etc/hosts": c.file("hosts")},
		Processes: []vm.Process{
			{Name: "etcd", Args: []string{
				c.bin("etcd"), "--data-dir=" + filepath.Join(c.dir, "etcd"),
				"--listen-client-urls=http://127.0.0.1:2379", "--advertise-client-urls=http://127.0.0.1:2379",
				"--listen-peer-urls=http://127.0.0.1:2380", "--log-level=warn",
			}},
			{Name: "kube-apiserver", Args: append([]string{
				c.bin("kube-apiserver"), "--etcd-servers=http://127.0.0.1:2379",
				"--secure-port=443", "--advertise-address=" + c.internal.String(), "--allow-privileged=true",
				"--tls-cert-file=" + serving, "--tls-private-key-file=" + servingKey, "--client-ca-file=" + c.ca.CertFile(),
				"--kubelet-client-certificate=" + kubelet, "--kubelet-client-key=" + kubeletKey,
				"--kubelet-certificate-authority=" + c.ca.CertFile(), "--kubelet-preferred-address-types=InternalIP",
				"--token-auth-file=" + c.tokens, "--anonymous-auth=false",
				"--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
				"--service-account-issuer=https://kubernetes.default.svc.cluster.local",
				"--service-account-key-file=" + saKey, "--service-account-signing-key-file=" + saKey,
				"--service-cluster-ip-range=" + c.spec.ServiceCIDR.String(), "--profiling=false",
			}, c.autopilotArgs()...)},
			{Name: "kube-controller-manager", Args: []string{
				c.bin("kube-controller-manager"), "--kubeconfig=" + c.file("controller-manager.kubeconfig"),
				"--service-account-private-key-file=" + saKey, "--root-ca-file=" + c.ca.CertFile(),
				"--allocate-node-cidrs=true", "--cluster-cidr=" + c.spec.PodCIDR.String(),
				"--service-cluster-ip-range=" + c.spec.ServiceCIDR.String(),
				"--leader-elect=false", "--use-service-account-credentials=true", "--profiling=false",
			}},
			{Name: "kube-scheduler", Args: []string{
				c.bin("kube-scheduler"), "--kubeconfig=" + c.file("scheduler.kubeconfig"), "--leader-elect=false", "--profiling=false",
			}},
		},
	}, nil
}

// autopilotArgs returns the API server's flags for the policies that stand for Autopilot's
// webhooks. MutatingAdmissionPolicy is beta in Kubernetes 1.35, and off by default ("Feature
// Gates", Kubernetes; KEP-3962).
func (c *controlPlane) autopilotArgs() []string {
	if !c.spec.Autopilot {
		return nil
	}
	return []string{"--feature-gates=MutatingAdmissionPolicy=true", "--runtime-config=admissionregistration.k8s.io/v1beta1=true"}
}

func (c *controlPlane) file(name string) string { return filepath.Join(c.dir, name) }

// clients issues the client certificates and kubeconfigs of the administrator, the controller
// manager and the scheduler.
func (c *controlPlane) clients() error {
	for file, identity := range map[string]Identity{
		"admin":              {Name: "sandbox-admin", Organizations: []string{"system:masters"}},
		"controller-manager": {Name: "system:kube-controller-manager"},
		"scheduler":          {Name: "system:kube-scheduler"},
	} {
		if err := c.client(file, identity, c.url()); err != nil {
			return err
		}
	}
	return nil
}

// client issues a client certificate and writes a kubeconfig with it.
func (c *controlPlane) client(name string, identity Identity, server string) error {
	cert, key, err := c.ca.Issue(name, identity)
	if err != nil {
		return err
	}
	return writeKubeconfig(c.file(name+".kubeconfig"), server, c.ca.PEM(), cert, key)
}

// serviceAccountKey creates the key that signs pods' tokens.
func (c *controlPlane) serviceAccountKey() error {
	file := filepath.Join(c.dir, "pki", "service-accounts.key")
	if _, err := os.Stat(file); err == nil {
		return nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	der, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return err
	}
	return os.WriteFile(file, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
}
