package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// boundaries lists what must be refused. Each of them changes nothing.
var boundaries = []Event{
	{Key: "pod-network", Title: "A pod of each app connects to what its NetworkPolicy forbids", Want: "no connection to other services, the API server, another node's kubelet, the metadata server or Google", Do: podNetwork},
	{Key: "pod-root", Title: "A pod's container writes to its root file system, and its privileges are read", Want: "read-only; no root user, no capability, no new privileges, system calls filtered", Do: podRoot},
	{Key: "pod-token", Title: "A pod looks for a token of the Kubernetes API", Want: "there is none", Do: podToken},
	{Key: "node-push", Title: "A stolen credential of a node pulls and pushes an image", Want: "pull works, push is refused", Do: nodePush},
	{Key: "anonymous-pull", Title: "An anonymous client pulls an image", Want: "refused", Do: anonymousPull},
}

// Apps lists the apps that run in the sandbox.
var Apps = []string{"envoy", "echo", "reverse", "directory"}

// firstPods calls do for the first pod of each app, with the first process of the app's
// container. It joins the errors.
func (s *Sandbox) firstPods(ctx context.Context, do func(app string, p pod, first process) error) error {
	var errs []error
	for _, app := range Apps {
		p, found, err := s.victim(ctx, app, app)
		if err == nil {
			err = do(app, p, found[0])
		}
		if err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", app, err))
		}
	}
	return errors.Join(errs...)
}

// connects reports whether a process can open a TCP connection from its network namespace.
func (s *Sandbox) connects(ctx context.Context, from process, address, port string) bool {
	_, err := s.run(ctx, "nsenter", "--target", strconv.Itoa(from.pid), "--net", "timeout", "2", "bash", "-c", "</dev/tcp/"+address+"/"+port)
	return err == nil
}

func (s *Sandbox) ip(ctx context.Context, p pod) (string, error) {
	return s.kubectl(ctx, "get", "pod", p.Name, "--output", "jsonpath={.status.podIP}")
}

// otherNode returns the address of a node other than own. Traffic between a pod and its
// own node is always allowed (Kubernetes, "Network Policies").
func (s *Sandbox) otherNode(ctx context.Context, own string) (string, error) {
	return s.kubectl(ctx, "get", "nodes", "--field-selector", "metadata.name!="+own, "--output", `jsonpath={.items[0].status.addresses[?(@.type=="InternalIP")].address}`)
}

func podNetwork(ctx context.Context, s *Sandbox) error {
	addresses := map[string]string{}
	if err := s.firstPods(ctx, func(app string, p pod, _ process) (err error) {
		addresses[app], err = s.ip(ctx, p)
		return err
	}); err != nil {
		return err
	}
	api, err := s.kubectl(ctx, "get", "service", "kubernetes", "--namespace", "default", "--output", "jsonpath={.spec.clusterIP}")
	if err != nil {
		return err
	}
	return s.firstPods(ctx, func(app string, p pod, first process) error {
		node, err := s.otherNode(ctx, p.Node)
		if err != nil {
			return err
		}
		kubelet, err := s.kubelet(p.Node)
		if err != nil {
			return err
		}
		forbidden := [][2]string{{api, "443"}, {node, "10250"}, {"169.254.169.254", "80"}, {"198.51.100.1", "443"}}
		// If the node itself could not reach them, a pod's failure would prove nothing.
		for _, f := range forbidden {
			if !s.connects(ctx, kubelet, f[0], f[1]) {
				return fmt.Errorf("its node cannot reach %s:%s, which it must", f[0], f[1])
			}
		}
		own := "8080"
		if app == "envoy" {
			own = "8443"
		}
		if !s.connects(ctx, first, "127.0.0.1", own) {
			return fmt.Errorf("it cannot reach its own port %s, which it must", own)
		}
		switch app {
		case "envoy":
			if !s.connects(ctx, first, addresses["echo"], "8080") {
				return errors.New("it cannot reach echo, which it must")
			}
		case "directory": // it asks services for their health
			forbidden = append(forbidden, [2]string{addresses["envoy"], "8443"})
		default:
			for _, other := range Apps {
				forbidden = append(forbidden, [2]string{addresses[other], "8080"})
			}
			forbidden = append(forbidden, [2]string{addresses["envoy"], "8443"})
		}
		for _, f := range forbidden {
			if f[0] != addresses[app] && s.connects(ctx, first, f[0], f[1]) {
				return fmt.Errorf("it reaches %s:%s", f[0], f[1])
			}
		}
		return nil
	})
}

// podRoot writes through the container's own mounts. Their read-only flag holds for the
// machine's root too.
func podRoot(ctx context.Context, s *Sandbox) error {
	want := map[string]string{"CapEff": "0000000000000000", "CapPrm": "0000000000000000", "NoNewPrivs": "1", "Seccomp": "2"}
	return s.firstPods(ctx, func(_ string, _ pod, first process) error {
		proc := fmt.Sprintf("/proc/%d", first.pid)
		if err := os.WriteFile(proc+"/root/probe", nil, 0o600); !errors.Is(err, syscall.EROFS) {
			return fmt.Errorf("writing to its root: %w, want a read-only file system", err)
		}
		status, err := os.ReadFile(proc + "/status")
		if err != nil {
			return err
		}
		for line := range strings.Lines(string(status)) {
			key, value, _ := strings.Cut(line, ":")
			value = strings.TrimSpace(value)
			if wanted, known := want[key]; known && value != wanted {
				return fmt.Errorf("%s is %s, want %s", key, value, wanted)
			}
			if key == "Uid" && strings.HasPrefix(value, "0\t") {
				return errors.New("it runs as root")
			}
		}
		return nil
	})
}

func podToken(ctx context.Context, s *Sandbox) error {
	return s.firstPods(ctx, func(_ string, _ pod, first process) error {
		for _, dir := range []string{"/var/run/secrets", "/run/secrets"} {
			if _, err := os.Stat(filepath.Join(fmt.Sprintf("/proc/%d/root", first.pid), dir)); err == nil {
				return fmt.Errorf("there is %s", dir)
			}
		}
		return nil
	})
}

// answered sends a request for an image to the registry, and expects the status want.
func (s *Sandbox) answered(ctx context.Context, method, token, path, want string) error {
	host, rest, _ := strings.Cut(s.Images["echo"], "/")
	name, digest, _ := strings.Cut(rest, "@")
	url := "https://" + host + "/v2/" + name + strings.ReplaceAll(path, "DIGEST", digest)
	args := []string{"--silent", "--cacert", ".sandbox/trust.pem", "--resolve", host + ":443:198.51.100.1", "--request", method, "--header", "Accept: application/vnd.oci.image.index.v1+json, application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json", "--output", "/dev/null", "--write-out", "%{http_code}"}
	if token != "" {
		args = append(args, "--user", "oauth2accesstoken:"+token)
	}
	got, err := s.run(ctx, "curl", append(args, url)...)
	if err == nil && got != want {
		err = fmt.Errorf("%s %s is answered with %s, want %s", method, path, got, want)
	}
	return err
}

const manifest, upload = "/manifests/DIGEST", "/blobs/uploads/"

func nodePush(ctx context.Context, s *Sandbox) error {
	nodes, err := s.nodes(ctx)
	if err != nil {
		return err
	}
	kubelet, err := s.kubelet(nodes[0])
	if err != nil {
		return err
	}
	text, err := s.run(ctx, "nsenter", "--target", strconv.Itoa(kubelet.pid), "--net", "curl", "--silent", "--header", "Metadata-Flavor: Google",
		"http://169.254.169.254/computeMetadata/v1/instance/service-accounts/default/token")
	if err != nil {
		return err
	}
	_, rest, _ := strings.Cut(text, `"access_token":"`)
	token, _, found := strings.Cut(rest, `"`)
	if !found {
		return fmt.Errorf("the node got no token: %s", text)
	}
	return errors.Join(s.answered(ctx, "GET", token, manifest, "200"), s.answered(ctx, "POST", token, upload, "403"))
}

func anonymousPull(ctx context.Context, s *Sandbox) error {
	return s.answered(ctx, "GET", "", manifest, "401")
}
