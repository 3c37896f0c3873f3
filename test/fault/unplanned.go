package fault

import (
	"context"
	_ "embed"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	echo "grpc-edge/services/echo/api"
)

// unplanned events. What holds for the kinds of failure is in docs/edge.md.
var unplanned = []Event{
	{Key: "service-killed", Title: "A pod of a service is killed (kill -9)", Do: killService},
	{
		Key: "envoy-killed", Title: "A pod of Envoy is killed (kill -9)", Do: killEnvoy,
		// Its connections are lost, with the calls on them.
		Promise: Promise{Failed: 5, After: 5 * time.Second},
	},
	{
		Key: "backend-hung", Title: "A pod of a service hangs", Do: hangService, Hold: 20 * time.Second,
		// Two health checks have to fail.
		Promise: Promise{Failed: 20, After: 6 * time.Second, LateFailed: 1},
	},
	{
		Key: "handler-hung", Title: "A pod of a service answers health checks and no call (least-request)", Prepare: faultyEcho("least-request"), Do: ill("hang"), Hold: illFor,
		// Each Envoy gives it one call at a time, which ends by its deadline.
		Promise: Promise{Failed: 5, After: 5 * time.Second, LateFailed: 1},
	},
	{
		Key: "service-slow", Title: "A pod of a service takes half a second longer", Prepare: faultyEcho("round-robin"), Do: ill("slow"), Hold: illFor,
	},
	{
		Key: "service-failing", Title: "A pod of a service fails half of its calls (UNAVAILABLE)", Prepare: faultyEcho("round-robin"), Do: ill("fail"), Hold: illFor,
	},
	{Key: "runtime-killed", Title: "The container runtime of a node is killed (kill -9)", Do: killRuntime, Hold: 5 * time.Second},
	{
		Key: "node-killed", Title: "A node is killed (kill -9)", Do: killNode, Hold: 30 * time.Second,
		// Connections to it are lost without a word: gRPC's keepalive finds that after
		// 10 and 2 s, and until then calls on them wait for their deadlines.
		Promise: Promise{Failed: 20, After: 15 * time.Second, LateFailed: 1},
	},
	{
		Key: "full-disk", Title: "The disk of a node is full", Do: fillDisk, Hold: time.Minute,
		// kubelet looks every 10 s, and evicts one pod after the other without time to end:
		// the connections to Envoy's are lost, with the calls on them.
		Promise: Promise{Failed: 1, After: time.Minute},
	},
	{Key: "dns-gone", Title: "DNS is gone for a minute", Do: stopDNS, Hold: time.Minute},
	{Key: "api-server-gone", Title: "The API server is gone for five minutes", Do: stopAPIServer, Hold: 5 * time.Minute},
	{
		Key: "packet-loss", Title: "One packet of a hundred is lost between pods", Do: losePackets, Hold: 20 * time.Second,
		Promise: Promise{Failed: 1},
	},
	{
		Key: "latency", Title: fmt.Sprintf("Packets to pods of services take %s longer", latency), Do: delayPackets, Hold: 20 * time.Second,
		Promise: Promise{Later: latency},
	},
}

// victim is the first pod of an app, and the processes of one of its containers.
func (s *Sandbox) victim(ctx context.Context, app, container string) (pod, []process, error) {
	pods, err := s.pods(ctx, app)
	if err != nil {
		return pod{}, nil, err
	}
	found, err := s.container(pods[0], container)
	return pods[0], found, err
}

func killService(ctx context.Context, s *Sandbox) (func() error, error) {
	_, found, err := s.victim(ctx, "echo", "echo")
	if err != nil {
		return nil, err
	}
	return nil, errors.Join(signal(found, syscall.SIGKILL), s.ready(ctx))
}

func killEnvoy(ctx context.Context, s *Sandbox) (func() error, error) {
	_, found, err := s.victim(ctx, "envoy", "envoy")
	if err != nil {
		return nil, err
	}
	return nil, errors.Join(signal(found, syscall.SIGKILL), s.ready(ctx))
}

// hangService stops a pod's process: the kernel takes connections for it, and nothing answers.
func hangService(ctx context.Context, s *Sandbox) (func() error, error) {
	_, found, err := s.victim(ctx, "echo", "echo")
	if err != nil {
		return nil, err
	}
	return pause(found, time.Minute)
}

//go:embed faulty/handlers.go.txt
var faultyHandlers []byte

// faultyEcho has api.Echo do what it is told by its calls, and Envoy balance so.
func faultyEcho(balance string) func(context.Context, *Sandbox) error {
	return func(ctx context.Context, s *Sandbox) error {
		if err := os.WriteFile(filepath.Join(s.Dir, "services/echo/handlers.go"), faultyHandlers, 0o600); err != nil {
			return err
		}
		if err := s.configure(map[string]string{"balance": balance}); err != nil {
			return err
		}
		return s.up(ctx)
	}
}

// illFor is for how long.
const illFor = 20 * time.Second

// ill tells one pod of api.Echo to be so, until it is over by itself.
func ill(mode string) func(context.Context, *Sandbox) (func() error, error) {
	return func(ctx context.Context, s *Sandbox) (func() error, error) {
		connection, err := grpc.NewClient("passthrough:///"+s.Target.Address, grpc.WithTransportCredentials(credentials.NewTLS(s.Target.TLS)))
		if err != nil {
			return nil, err
		}
		defer connection.Close()
		_, err = echo.NewEchoClient(connection).Echo(ctx, &echo.EchoRequest{Content: fmt.Sprintf("fault %s %d", mode, int(illFor.Seconds()))})
		return nil, err
	}
}

// killRuntime kills containerd, which is started again; the containers live on.
func killRuntime(ctx context.Context, s *Sandbox) (func() error, error) {
	nodes, err := s.nodes(ctx)
	if err != nil {
		return nil, err
	}
	kubelet, err := s.kubelet(nodes[0])
	if err != nil {
		return nil, err
	}
	found, err := s.find("containerd of "+nodes[0], func(p process) bool { return p.program() == "containerd" && p.parent == kubelet.parent })
	if err != nil {
		return nil, err
	}
	return nil, signal(found, syscall.SIGKILL)
}

// killNode ends the first process of a node's machine, and so all, as pulling the plug
// does. It is one that has clients' connections. The pool repairs itself.
func killNode(ctx context.Context, s *Sandbox) (func() error, error) {
	node, kubelet, err := s.called(ctx)
	if err != nil {
		return nil, err
	}
	all, err := s.processes()
	if err != nil {
		return nil, err
	}
	for _, p := range all {
		if p.pid == kubelet.parent && p.program() == "machine-init" {
			return s.repaired(ctx, node, p.pid), syscall.Kill(p.pid, syscall.SIGKILL)
		}
	}
	return nil, fmt.Errorf("node %s has no machine", node)
}

// repaired waits until the node is another machine, and ready, with its pods.
func (s *Sandbox) repaired(ctx context.Context, node string, machine int) func() error {
	return func() error {
		for begun := time.Now(); time.Since(begun) < 3*time.Minute; {
			if kubelet, err := s.kubelet(node); err == nil && kubelet.parent != machine {
				_, err := s.kubectl(ctx, "wait", "--for=condition=Ready", "node/"+node, "--timeout=120s")
				return errors.Join(err, s.ready(ctx))
			}
			if err := sleep(ctx, time.Second); err != nil {
				return err
			}
		}
		return fmt.Errorf("node %s was not repaired", node)
	}
}

// stopDNS takes the cluster's DNS servers away.
func stopDNS(ctx context.Context, s *Sandbox) (func() error, error) {
	replicas := func(n int) error {
		_, err := s.kubectl(ctx, "scale", "deployment/kube-dns", "--namespace", "kube-system", "--replicas", strconv.Itoa(n))
		return err
	}
	return func() error {
		if err := replicas(1); err != nil {
			return err
		}
		_, err := s.kubectl(ctx, "rollout", "status", "deployment/kube-dns", "--namespace", "kube-system", "--timeout=120s")
		return err
	}, replicas(0)
}

// stopAPIServer has it take connections and answer nothing.
func stopAPIServer(_ context.Context, s *Sandbox) (func() error, error) {
	found, err := s.program("kube-apiserver")
	if err != nil {
		return nil, err
	}
	return pause(found, 6*time.Minute)
}

// losePackets drops packets at random on the way from and to each pod of each node.
func losePackets(ctx context.Context, s *Sandbox) (func() error, error) {
	nodes, err := s.nodes(ctx)
	if err != nil {
		return nil, err
	}
	var machines []int
	for _, node := range nodes {
		kubelet, err := s.kubelet(node)
		if err != nil {
			return nil, err
		}
		machines = append(machines, kubelet.pid)
	}
	const rule = "FORWARD -m statistic --mode random --probability 0.01 -j DROP"
	return func() error { return s.iptables(context.WithoutCancel(ctx), machines, "filter", "-D "+rule) }, s.iptables(ctx, machines, "filter", "-I "+rule)
}

// iptables changes a table's rules in the network namespaces of processes.
func (s *Sandbox) iptables(ctx context.Context, pids []int, table, rule string) error {
	packages := filepath.Join(s.Dir, ".cache", "packages")
	lib := filepath.Join(packages, "root/usr/lib/x86_64-linux-gnu")
	for _, pid := range pids {
		// The libraries are for iptables alone: the machine's nsenter has its own.
		_, err := s.run(ctx, "sh", "-c", fmt.Sprintf(
			`printf '*%s\n%s\nCOMMIT\n' | nsenter --target %d --net env LD_LIBRARY_PATH=%s:%s XTABLES_LIBDIR=%s %s --noflush`,
			table, rule, pid, lib, filepath.Join(packages, "root/lib/x86_64-linux-gnu"), filepath.Join(lib, "xtables"), filepath.Join(packages, "alternatives/iptables-restore")))
		if err != nil {
			return err
		}
	}
	return nil
}
