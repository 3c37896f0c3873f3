package chaos

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	echo "example.com/grpc-edge/services/echo/api"
)

// unplanned lists failures. docs/edge.md describes how the edge handles each kind.
var unplanned = []Event{
	{
		Key: "service-killed", Title: "A pod of each of two services is killed (kill -9)", Do: killServices,
		// Unary calls go to another pod. Streams are lost.
		Promise: Promise{Failed: 1, After: 2 * time.Second},
	},
	{
		Key: "envoy-killed", Title: "A pod of Envoy is killed (kill -9)", Do: killEnvoy,
		// Its connections are lost, and the calls on them fail.
		Promise: Promise{Failed: 5, After: 5 * time.Second},
	},
	{
		Key: "backend-hung", Title: "A pod of each of two services hangs", Do: hangServices, Hold: 20 * time.Second,
		// The pod is unhealthy after two failed health checks.
		Promise: Promise{Failed: 20, After: 6 * time.Second, LateFailed: 1},
	},
	{
		Key: "handler-hung", Title: "A pod of a service answers health checks and no call (least-request)", Prepare: brokenEcho("least-request"), Reverts: true, Do: breakPod("hang"), Hold: brokenTime,
		// Each Envoy sends it one call at a time, which ends by its deadline.
		Promise: Promise{Failed: 5, After: 5 * time.Second, LateFailed: 1},
	},
	{
		Key: "service-slow", Title: "A pod of a service answers half a second slower", Prepare: brokenEcho("round-robin"), Reverts: true, Do: breakPod("slow"), Hold: brokenTime,
		Promise: Promise{Later: slower},
	},
	{
		Key: "service-failing", Title: "A pod of a service fails half of its calls (UNAVAILABLE)", Prepare: brokenEcho("round-robin"), Reverts: true, Do: failHalf, Hold: brokenTime,
	},
	{Key: "runtime-killed", Title: "The container runtime of a node is killed (kill -9)", Do: killRuntime, Hold: 5 * time.Second},
	{
		Key: "node-killed", Title: "A node is killed (kill -9)", Do: killNode, Hold: 30 * time.Second,
		// Connections to it are lost without a FIN or RST. gRPC's keepalive notices after
		// 10 + 2 s. Until then, calls on them wait for their deadlines.
		Promise: Promise{Failed: 20, After: 15 * time.Second, LateFailed: 1},
	},
	{
		Key: "full-disk", Title: "The disk of a node is full", Do: fillDisk, Hold: time.Minute,
		// kubelet checks every 10 s, and evicts one pod after the other without a grace
		// period. Connections to an evicted Envoy are lost, and calls on them fail. containerd
		// has no space to record that Envoy has ended, so kubelet learns of it half a minute
		// later. Until then the node counts as healthy, and refuses connections.
		Promise: Promise{Failed: 3, After: time.Minute},
	},
	{Key: "dns-gone", Title: "DNS is gone for a minute", Do: stopDNS, Hold: time.Minute},
	{Key: "api-server-gone", Title: "The API server is gone for five minutes", Do: stopAPIServer, Hold: 5 * time.Minute},
	{
		Key: "packet-loss", Title: "One packet in a hundred is lost between pods", Do: losePackets, Hold: 20 * time.Second,
		Promise: Promise{Failed: 1},
	},
	{
		Key: "latency", Title: fmt.Sprintf("Packets to pods of services are delayed by %s", latency), Do: delayPackets, Hold: 20 * time.Second,
		Promise: Promise{Later: latency},
	},
}

// victims lists two services: unary calls reach the first, and streams the second.
var victims = []string{"echo", "directory"}

// victim returns the first pod of an app, and the processes of one of its containers.
func (s *Sandbox) victim(ctx context.Context, app, container string) (pod, []process, error) {
	pods, err := s.pods(ctx, app)
	if err != nil {
		return pod{}, nil, err
	}
	found, err := s.container(pods[0], container)
	return pods[0], found, err
}

func killServices(ctx context.Context, s *Sandbox) error {
	return s.kill(ctx, victims...)
}

func killEnvoy(ctx context.Context, s *Sandbox) error {
	return s.kill(ctx, "envoy")
}

// kill kills a container of each app, and waits until it is restarted and ready.
func (s *Sandbox) kill(ctx context.Context, apps ...string) error {
	killed := map[string]pod{}
	for _, app := range apps {
		p, found, err := s.victim(ctx, app, app)
		if err != nil {
			return err
		}
		killed[app] = p
		if err := signal(found, syscall.SIGKILL); err != nil {
			return err
		}
	}
	for app, p := range killed {
		if err := Eventually(ctx, time.Minute, func() error { return s.another(ctx, app, p) }); err != nil {
			return err
		}
		if _, err := s.kubectl(ctx, "wait", "--for=condition=Ready", "pod/"+p.Name, "--timeout=60s"); err != nil {
			return err
		}
	}
	return nil
}

// another returns an error until the pod's container has been restarted.
func (s *Sandbox) another(ctx context.Context, app string, was pod) error {
	pods, err := s.pods(ctx, app)
	if err != nil {
		return err
	}
	for _, p := range pods {
		if p.Name == was.Name && p.Containers[app] != was.Containers[app] {
			_, err := s.container(p, app)
			return err
		}
	}
	return fmt.Errorf("the container of %s was not restarted", was.Name)
}

// hangServices stops the process of one pod of each victim. The kernel still accepts
// connections for it, and nothing answers.
func hangServices(ctx context.Context, s *Sandbox) error {
	var stopped []process
	for _, app := range victims {
		_, found, err := s.victim(ctx, app, app)
		if err != nil {
			return err
		}
		stopped = append(stopped, found...)
	}
	resume, err := pause(stopped, time.Minute)
	if err == nil {
		s.undo = resume
	}
	return err
}

//go:embed broken/handlers.go.txt
var brokenHandlers []byte

// brokenEcho deploys an api.Echo whose calls can break its pods, and sets Envoy's balance.
func brokenEcho(balance string) func(context.Context, *Sandbox) error {
	return func(ctx context.Context, s *Sandbox) error {
		if err := s.write("services/echo/handlers.go", brokenHandlers); err != nil {
			return err
		}
		return s.deploy(ctx, map[string]string{"balance": balance})
	}
}

// slower is the delay of each call at a slow pod (broken/handlers.go.txt).
const slower = 500 * time.Millisecond

// brokenTime bounds how long a pod stays broken by [breakPod].
const brokenTime = 20 * time.Second

// breakPod breaks one pod of api.Echo in a mode. The pod recovers by itself after brokenTime.
func breakPod(mode string) func(context.Context, *Sandbox) error {
	return func(ctx context.Context, s *Sandbox) error {
		connection, err := grpc.NewClient("passthrough:///"+s.Target.Address, grpc.WithTransportCredentials(credentials.NewTLS(s.Target.TLS)))
		if err != nil {
			return err
		}
		defer connection.Close()
		_, err = echo.NewEchoClient(connection).Echo(ctx, &echo.EchoRequest{Content: fmt.Sprintf("break %s %d", mode, int(brokenTime.Seconds()))})
		return err
	}
}

// failHalf makes one pod fail half of its calls, and checks that Envoy retries.
func failHalf(ctx context.Context, s *Sandbox) error {
	const retries = "cluster.echo.upstream_rq_retry"
	before, err := s.envoyStat(ctx, retries)
	if err != nil {
		return err
	}
	s.undo = func() error {
		after, err := s.envoyStat(ctx, retries)
		s.note("Envoy retried %d calls", after-before)
		if err == nil && after == before {
			err = errors.New("no call failed at the pod")
		}
		return err
	}
	return breakPod("fail")(ctx, s)
}

// envoyStat returns the sum of a statistic over all Envoys.
func (s *Sandbox) envoyStat(ctx context.Context, name string) (sum int64, err error) {
	pods, err := s.pods(ctx, "envoy")
	if err != nil {
		return 0, err
	}
	for _, p := range pods {
		found, err := s.container(p, "envoy")
		if err != nil {
			return 0, err
		}
		text, err := s.run(ctx, "nsenter", "--target", strconv.Itoa(found[0].pid), "--net", "curl", "--silent", "--fail", "http://127.0.0.1:9901/stats?filter=^"+name+"$")
		if err != nil {
			return 0, err
		}
		_, value, _ := strings.Cut(strings.TrimSpace(text), ": ")
		one, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("reading %s of %s: %w", name, p.Name, err)
		}
		sum += one
	}
	return sum, nil
}

// killRuntime kills containerd, and waits until it is restarted. Its containers live on.
func killRuntime(ctx context.Context, s *Sandbox) error {
	nodes, err := s.nodes(ctx)
	if err != nil {
		return err
	}
	kubelet, err := s.kubelet(nodes[0])
	if err != nil {
		return err
	}
	runtime := func() ([]process, error) {
		return s.find("containerd of "+nodes[0], func(p process) bool { return p.program() == "containerd" && p.parent == kubelet.parent })
	}
	killed, err := runtime()
	if err != nil {
		return err
	}
	if err := signal(killed, syscall.SIGKILL); err != nil {
		return err
	}
	return Eventually(ctx, time.Minute, func() error {
		found, err := runtime()
		if err == nil && found[0].pid == killed[0].pid {
			err = errors.New("the container runtime was not restarted")
		}
		return err
	})
}

// killNode kills the first process of a node's VM, and with it all others, as a loss
// of power does. The node has clients' connections. The node pool repairs it.
func killNode(ctx context.Context, s *Sandbox) error {
	node, kubelet, err := s.called(ctx)
	if err != nil {
		return err
	}
	all, err := s.processes()
	if err != nil {
		return err
	}
	for _, p := range all {
		if p.pid == kubelet.parent && p.program() == "vm-init" {
			s.undo = func() error { return s.repaired(ctx, node, p.pid) }
			return syscall.Kill(p.pid, syscall.SIGKILL)
		}
	}
	return fmt.Errorf("node %s has no VM", node)
}

// repaired waits until the node has a new VM, and the node and all pods are ready.
func (s *Sandbox) repaired(ctx context.Context, node string, killed int) error {
	err := Eventually(ctx, 3*time.Minute, func() error {
		kubelet, err := s.kubelet(node)
		if err == nil && kubelet.parent == killed {
			err = fmt.Errorf("node %s was not repaired", node)
		}
		return err
	})
	if err != nil {
		return err
	}
	_, err = s.kubectl(ctx, "wait", "--for=condition=Ready", "node/"+node, "--timeout=120s")
	return errors.Join(err, s.ready(ctx))
}

// stopDNS scales the cluster's DNS servers to zero.
func stopDNS(ctx context.Context, s *Sandbox) error {
	scale := func(replicas int) error {
		_, err := s.kubectl(ctx, "scale", "deployment/kube-dns", "--namespace", "kube-system", "--replicas", strconv.Itoa(replicas))
		return err
	}
	s.undo = func() error {
		if err := scale(1); err != nil {
			return err
		}
		_, err := s.kubectl(ctx, "rollout", "status", "deployment/kube-dns", "--namespace", "kube-system", "--timeout=120s")
		return err
	}
	if err := scale(0); err != nil {
		return err
	}
	_, err := s.kubectl(ctx, "wait", "--for=delete", "pods", "--namespace", "kube-system", "--selector", "k8s-app=kube-dns", "--timeout=60s")
	return err
}

// stopAPIServer pauses the API server: it accepts connections and answers nothing.
func stopAPIServer(ctx context.Context, s *Sandbox) error {
	found, err := s.program("kube-apiserver")
	if err != nil {
		return err
	}
	resume, err := pause(found, 6*time.Minute)
	if err != nil {
		return err
	}
	s.undo = func() error {
		return errors.Join(resume(), Eventually(ctx, 2*time.Minute, func() error { return s.apiReady(ctx) }))
	}
	return nil
}

// losePackets drops packets at random on the way from and to each pod of each node.
func losePackets(ctx context.Context, s *Sandbox) error {
	nodes, err := s.nodes(ctx)
	if err != nil {
		return err
	}
	var kubelets []int
	for _, node := range nodes {
		kubelet, err := s.kubelet(node)
		if err != nil {
			return err
		}
		kubelets = append(kubelets, kubelet.pid)
	}
	const rule = "FORWARD -m statistic --mode random --probability 0.01 -j DROP"
	s.undo = func() error {
		dropped, err := s.dropped(ctx, kubelets)
		s.note("%d packets were dropped", dropped)
		if err == nil && dropped == 0 {
			err = errors.New("no packet was dropped")
		}
		return errors.Join(err, s.iptables(context.WithoutCancel(ctx), kubelets, "filter", "-D "+rule))
	}
	return s.iptables(ctx, kubelets, "filter", "-I "+rule)
}

// dropped returns the number of packets that the rules of losePackets have dropped.
func (s *Sandbox) dropped(ctx context.Context, kubelets []int) (sum int, err error) {
	for _, pid := range kubelets {
		text, err := s.xtables(ctx, pid, "iptables-save", "--counters --table filter")
		if err != nil {
			return 0, err
		}
		for line := range strings.Lines(text) {
			var packets int
			if _, err := fmt.Sscanf(line, "[%d:", &packets); err == nil && strings.Contains(line, "-A FORWARD -m statistic") {
				sum += packets
			}
		}
	}
	return sum, nil
}

// iptables changes a table's rules in the network namespaces of processes.
func (s *Sandbox) iptables(ctx context.Context, pids []int, table, rule string) error {
	for _, pid := range pids {
		if _, err := s.xtables(ctx, pid, "iptables-restore", fmt.Sprintf(`--noflush <<< $'*%s\n%s\nCOMMIT'`, table, rule)); err != nil {
			return err
		}
	}
	return nil
}

// xtables runs a program of the sandbox's iptables in the network namespace of a process.
func (s *Sandbox) xtables(ctx context.Context, pid int, program, args string) (string, error) {
	packages := filepath.Join(s.Dir, ".cache", "packages")
	lib := filepath.Join(packages, "root/usr/lib/x86_64-linux-gnu")
	// Only iptables uses these libraries. nsenter is the machine's, and uses the machine's.
	return s.run(ctx, "bash", "-c", fmt.Sprintf(`nsenter --target %d --net env LD_LIBRARY_PATH=%s:%s XTABLES_LIBDIR=%s %s %s`,
		pid, lib, filepath.Join(packages, "root/lib/x86_64-linux-gnu"), filepath.Join(lib, "xtables"), filepath.Join(packages, "alternatives", program), args))
}
