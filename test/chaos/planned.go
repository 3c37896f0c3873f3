package chaos

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"example.com/grpc-edge/internal/wait"
)

// planned lists the events that a person or GKE causes on purpose.
var planned = []Event{
	{Key: "service-version", Title: "New version of every service", Do: newServices},
	{Key: "envoy-version", Title: "New version of Envoy, and back to the old one", Tool: "next-envoy", Do: changeEnvoy},
	{Key: "envoy-config", Title: "New configuration of Envoy", Do: reconfigureEnvoy},
	{Key: "certificate", Title: "New certificate", Do: renewCertificate},
	{Key: "scale", Title: "Scale each service 3 → 10 → 2 → 3", Do: scale},
	{Key: "canary", Title: "Canary 0 → 50 → 100 %", Do: canary},
	{Key: "drain", Title: "Drain of each node in turn", Do: drain},
	{Key: "control-plane", Title: "Control plane restarted", Do: restartControlPlane},
	{Key: "node-upgrade", Title: "Node pool doubled, old nodes drained in turn, then the new ones, which are removed", Do: surge},
}

// newServices deploys a change of all services that their clients do not see.
func newServices(ctx context.Context, s *Sandbox) error {
	for _, app := range programs {
		if err := s.release(app); err != nil {
			return err
		}
	}
	before := s.Images
	if err := errors.Join(s.up(ctx), s.readOutputs(ctx)); err != nil {
		return err
	}
	for _, app := range programs {
		if s.Images[app] == before[app] {
			return fmt.Errorf("the image of %s has not changed from %s", app, before[app])
		}
	}
	return nil
}

// release changes a service's program, so that its image changes.
func (s *Sandbox) release(app string) error {
	return s.edit("services/"+app+"/main.go", "func main() {", fmt.Sprintf("func init() { _, _ = os.Stderr.WriteString(\"release %d\\n\") }\n\nfunc main() {", time.Now().UnixNano()))
}

// changeEnvoy deploys the sandbox's other version of Envoy, and then the default one again.
func changeEnvoy(ctx context.Context, s *Sandbox) error {
	info, err := s.daemon()
	if err != nil {
		return err
	}
	if info.NextEnvoyDigest == "" {
		return errors.New("the sandbox was started without another version of Envoy: `.cache/bin/sandbox next-envoy` fetches it")
	}
	var versions []string
	for _, digest := range []string{info.NextEnvoyDigest, ""} {
		if err := s.deploy(ctx, map[string]string{"envoyDigest": digest}); err != nil {
			return err
		}
		version, err := s.envoyVersion(ctx)
		if err != nil {
			return err
		}
		versions = append(versions, version)
	}
	if versions[0] == versions[1] {
		return fmt.Errorf("both Envoys are of version %s", versions[0])
	}
	s.note("Envoy went from %s to %s, and back to %s", versions[1], versions[0], versions[1])
	return nil
}

// envoyVersion returns the version that Envoy in a pod prints.
func (s *Sandbox) envoyVersion(ctx context.Context) (string, error) {
	_, found, err := s.victim(ctx, "envoy", "envoy")
	if err != nil {
		return "", err
	}
	root := fmt.Sprintf("/proc/%d/root", found[0].pid)
	text, err := s.run(ctx, root+"/lib64/ld-linux-x86-64.so.2", "--library-path", root+"/lib/x86_64-linux-gnu", root+"/usr/local/bin/envoy", "--version")
	// …/envoy  version: COMMIT/VERSION/STATE/BUILD/TLS
	parts := strings.Split(text, "/")
	if err == nil && len(parts) < 4 {
		err = fmt.Errorf("reading the version of Envoy in %q", text)
	}
	if err != nil {
		return "", err
	}
	return parts[len(parts)-4], nil
}

// reconfigureEnvoy changes a key that does not affect the calls.
func reconfigureEnvoy(ctx context.Context, s *Sandbox) error {
	return s.deploy(ctx, map[string]string{"maxDeadlineSeconds": strconv.FormatInt(1800+time.Now().Unix()%1000, 10)})
}

// servedIn is the limit until a new certificate is served. kubelet updates the file within
// about a minute (Kubernetes, "Secrets": mounted Secrets are updated).
const servedIn = 3 * time.Minute

// renewCertificate replaces the leaf's private key, and waits until each of many
// new connections gets the new certificate.
func renewCertificate(ctx context.Context, s *Sandbox) error {
	old, err := s.serial(ctx)
	if err != nil {
		return err
	}
	text, err := s.pulumi(ctx, "stack", "--stack", "sandbox", "--show-urns")
	if err != nil {
		return err
	}
	urn := ""
	for word := range strings.FieldsSeq(text) {
		if strings.HasPrefix(word, "urn:") && strings.HasSuffix(word, "PrivateKey::certificate-leaf") {
			urn = word
		}
	}
	if urn == "" {
		return fmt.Errorf("the stack has no private key certificate-leaf:\n%s", text)
	}
	if _, err := s.pulumi(ctx, "up", "--yes", "--skip-preview", "--suppress-outputs", "--stack", "sandbox", "--replace", urn); err != nil {
		return err
	}
	return Eventually(ctx, servedIn, func() error {
		for range 20 { // by chance, at each Envoy
			serial, err := s.serial(ctx)
			if err != nil {
				return err
			}
			if serial == old {
				return errors.New("the old certificate is still served")
			}
		}
		return nil
	})
}

// serial returns the serial number of the certificate that a new connection gets.
func (s *Sandbox) serial(ctx context.Context) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	connection, err := (&tls.Dialer{NetDialer: &net.Dialer{}, Config: s.Target.TLS}).DialContext(ctx, "tcp", s.Target.Address)
	if err != nil {
		return "", fmt.Errorf("reading the certificate: %w", err)
	}
	defer connection.Close()
	return connection.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String(), nil
}

func scale(ctx context.Context, s *Sandbox) error {
	for _, replicas := range []string{"10", "2", "3"} {
		if err := s.deploy(ctx, map[string]string{"serviceReplicas": replicas}); err != nil {
			return err
		}
	}
	return nil
}

// canary rolls out a change of api.Echo to half of the calls, and then to all.
func canary(ctx context.Context, s *Sandbox) error {
	_, stable, _ := strings.Cut(s.Images["echo"], "@")
	if err := s.release("echo"); err != nil {
		return err
	}
	for _, value := range []string{fmt.Sprintf("[{service: echo, stable: %q, weight: 50}]", stable), ""} {
		if err := s.deploy(ctx, map[string]string{"canaries": value}); err != nil {
			return err
		}
		if err := wait.For(ctx, 5*time.Second); err != nil {
			return err
		}
	}
	return s.readOutputs(ctx)
}

func (s *Sandbox) nodes(ctx context.Context) ([]string, error) {
	text, err := s.kubectl(ctx, "get", "nodes", "--output", "jsonpath={.items[*].metadata.name}")
	return strings.Fields(text), err
}

// drainNode drains a node as an upgrade does, and waits until its pods are evicted.
func (s *Sandbox) drainNode(ctx context.Context, node string) error {
	_, err := s.kubectl(ctx, "drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--timeout=180s")
	return err
}

// ready waits until the rollout of each Deployment is complete.
func (s *Sandbox) ready(ctx context.Context) error {
	for _, app := range Apps {
		if _, err := s.kubectl(ctx, "rollout", "status", "deployment/"+app, "--timeout=180s"); err != nil {
			return err
		}
	}
	return nil
}

func drain(ctx context.Context, s *Sandbox) error {
	nodes, err := s.nodes(ctx)
	if err != nil {
		return err
	}
	for _, node := range nodes {
		if err := s.drainNode(ctx, node); err != nil {
			return err
		}
		if err := s.ready(ctx); err != nil {
			return err
		}
		if _, err := s.kubectl(ctx, "uncordon", node); err != nil {
			return err
		}
	}
	return nil
}

// restartControlPlane stops the programs of the control plane, etcd first. It waits until
// all have been restarted and the API server is ready.
func restartControlPlane(ctx context.Context, s *Sandbox) error {
	old := map[string][]process{}
	for _, name := range []string{"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"} {
		found, err := s.program(name)
		if err != nil {
			return err
		}
		old[name] = found
		if err := signal(found, syscall.SIGTERM); err != nil {
			return err
		}
	}
	return Eventually(ctx, 2*time.Minute, func() error {
		for name, were := range old {
			found, err := s.program(name)
			if err != nil {
				return err
			}
			if found[0].pid == were[0].pid {
				return fmt.Errorf("%s was not restarted", name)
			}
		}
		return s.apiReady(ctx)
	})
}

// apiReady checks that the API server is ready.
func (s *Sandbox) apiReady(ctx context.Context) error {
	_, err := s.kubectl(ctx, "get", "--raw", "/readyz")
	return err
}

// surge does a surge upgrade by hand, because the emulated cloud has only one version. Each
// zone gets one more node. All pods move to the new nodes and back. Then the new nodes are
// removed.
func surge(ctx context.Context, s *Sandbox) error {
	old, err := s.nodes(ctx)
	if err != nil {
		return err
	}
	if err := s.deploy(ctx, map[string]string{"nodeCount": "2"}); err != nil {
		return err
	}
	all, err := s.nodes(ctx)
	if err != nil {
		return err
	}
	added := slices.DeleteFunc(slices.Clone(all), func(node string) bool { return slices.Contains(old, node) })
	if len(added) != len(old) {
		return fmt.Errorf("the nodes are %v, want twice as many as %v", all, old)
	}
	for _, nodes := range [][]string{old, added} {
		for _, node := range nodes {
			if err := s.drainNode(ctx, node); err != nil {
				return err
			}
			if err := s.ready(ctx); err != nil {
				return err
			}
		}
		if _, err := s.kubectl(ctx, append([]string{"uncordon"}, old...)...); err != nil {
			return err
		}
	}
	return s.deploy(ctx, map[string]string{"nodeCount": "1"})
}
