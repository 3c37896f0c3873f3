// Package daemon is the long-running part of the sandbox: it holds the
// namespaces, emulates Google Cloud, and serves stand-ins for Pulumi's providers.
package daemon

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	clientset "k8s.io/client-go/kubernetes"

	"example.com/grpc-edge/internal/subprocess"
	"example.com/grpc-edge/sandbox/addressplan"
	"example.com/grpc-edge/sandbox/cluster"
	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/apis"
	"example.com/grpc-edge/sandbox/gcp/artifactregistry"
	"example.com/grpc-edge/sandbox/gcp/binaryauthorization"
	"example.com/grpc-edge/sandbox/gcp/compute"
	"example.com/grpc-edge/sandbox/gcp/container"
	"example.com/grpc-edge/sandbox/gcp/kms"
	"example.com/grpc-edge/sandbox/gcp/secretmanager"
	"example.com/grpc-edge/sandbox/googleapis"
	"example.com/grpc-edge/sandbox/loadbalancer"
	"example.com/grpc-edge/sandbox/node/credentialplugin"
	"example.com/grpc-edge/sandbox/node/images"
	"example.com/grpc-edge/sandbox/node/network"
	"example.com/grpc-edge/sandbox/node/vm"
	"example.com/grpc-edge/sandbox/pulumi/breakpoint"
	"example.com/grpc-edge/sandbox/pulumi/gcpprovider"
	"example.com/grpc-edge/sandbox/pulumi/tlsprovider"
	"example.com/grpc-edge/sandbox/tools"
)

// NodeDisk is the environment variable that gives each node its own disk of that size
// (cluster.Options). Only a test that fills one has a use for it.
const NodeDisk = "SANDBOX_NODE_DISK"

// apiDelayVariable is the environment variable that makes an API refuse calls for that long after it was
// enabled, as in a new project at Google. Its value is a Go duration, such as 20s.
const apiDelayVariable = "SANDBOX_API_DELAY"

func apiDelay() (time.Duration, error) {
	text := os.Getenv(apiDelayVariable)
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("reading %s: %w", apiDelayVariable, err)
	}
	return d, nil
}

// CgroupParent is the cgroup that all VMs of the sandbox are in.
const CgroupParent = "grpc-edge-sandbox"

// Info describes a running daemon to other commands. It is in the state folder while the
// daemon serves.
type Info struct {
	PID int `json:"pid"`
	// Program identifies the build of the sandbox.
	Program string `json:"program"`
	// Providers holds the loopback ports of the providers that the daemon serves, by plugin name.
	Providers map[string]int `json:"providers"`
	// EnvoyDigest is the digest of Envoy's image in the sandbox. NextEnvoyDigest is the digest
	// of another version; empty if there is none.
	EnvoyDigest     string `json:"envoyDigest"`
	NextEnvoyDigest string `json:"nextEnvoyDigest,omitempty"`
	// ImageSizes are compressed sizes in bytes, by repository.
	ImageSizes map[string]int64 `json:"imageSizes"`
}

// Serve runs the daemon until ctx ends. Only one runs on a state folder.
func Serve(ctx context.Context, t tools.Tools, state State, project string) error {
	lock, err := state.Lock()
	if err != nil {
		return err
	}
	defer lock.Close()
	// Cgroups that a killed daemon left hold no process any more, but kubelet would look
	// for their containers.
	if err := vm.Cgroup(CgroupParent).Remove(); err != nil {
		return err
	}
	net, err := network.New()
	if err != nil {
		return err
	}
	d := &daemon{tools: t, state: state, network: net, project: project}
	err = d.serve(ctx)
	return errors.Join(err, os.RemoveAll(state.infoFile()), d.stop())
}

type daemon struct {
	tools   tools.Tools
	state   State
	project string
	network *network.Network
	runtime *cluster.Runtime
	cloud   *gcp.Cloud
	servers []interface{ Close() error }
}

func (d *daemon) serve(ctx context.Context) error {
	loaded, err := images.Load(d.tools, filepath.Join(d.tools.Cache, "images"))
	if err != nil {
		return err
	}
	ca, err := cluster.OpenAuthority(d.state.path("pki"), "sandbox Google APIs")
	if err != nil {
		return err
	}
	if err := d.state.writeTrust(ca.PEM()); err != nil {
		return err
	}
	tokens, err := d.deployerToken()
	if err != nil {
		return err
	}
	kubernetes, err := d.tools.KubernetesVersion()
	if err != nil {
		return err
	}
	d.runtime = cluster.NewRuntime(cluster.Options{
		Dir: d.state.ClustersDir(), Network: d.network, Bin: d.tools.Bin, Version: kubernetes, Debs: d.tools.Debs(), NodeEnv: d.tools.Env(), IPTablesRestore: d.tools.IPTablesRestore(),
		NodeDisk: os.Getenv(NodeDisk),
		Cgroup:   CgroupParent, RegistryCA: ca.CertFile(), Trust: d.state.TrustFile(), Tokens: tokens, Started: d.clusterStarted,
	})
	propagation, err := apiDelay()
	if err != nil {
		return err
	}
	if d.cloud, err = gcp.Open(d.state.CloudDir(), apis.All(d.runtime), gcp.WithPropagation(propagation), gcp.WithCalls(logCall)); err != nil {
		return err
	}
	if err := d.serveGoogle(ca, loaded.Handler); err != nil {
		return err
	}
	if err := d.cloud.Resume(ctx); err != nil {
		return fmt.Errorf("resuming the emulated cloud: %w", err)
	}
	ports, err := d.serveProviders()
	if err != nil {
		return err
	}
	info := Info{PID: os.Getpid(), Program: program(), Providers: ports, EnvoyDigest: loaded.EnvoyDigest, NextEnvoyDigest: loaded.NextEnvoyDigest, ImageSizes: loaded.Sizes}
	if err := d.state.writeInfo(info); err != nil {
		return err
	}
	slog.Info("sandbox is up")
	<-ctx.Done()
	slog.Info("sandbox is going down")
	return nil
}

func logCall(call gcp.Call) {
	slog.Debug("call", "verb", call.Verb, "kind", call.Kind, "name", call.Name)
}

// serveGoogle serves Google's addresses inside the sandbox's network.
func (d *daemon) serveGoogle(ca *cluster.Authority, system http.Handler) error {
	var listeners []net.Listener
	for _, address := range []netip.Addr{addressplan.GoogleAPIs, addressplan.PrivateGoogleAPIs} {
		listener, err := d.network.Listen(netip.AddrPortFrom(address, 443))
		if err != nil {
			return fmt.Errorf("listening for Google's APIs: %w", err)
		}
		listeners = append(listeners, listener)
	}
	metadata, err := d.network.Listen(netip.AddrPortFrom(addressplan.Metadata, 80))
	if err != nil {
		return fmt.Errorf("listening for the metadata server: %w", err)
	}
	const headerTimeout = 10 * time.Second
	handler := googleapis.Handlers{
		ArtifactRegistry: artifactregistry.Registry(d.cloud, system), System: system,
		KMS:         googleapis.Signing(kms.Keys{Cloud: d.cloud}),
		Secrets:     googleapis.Secrets(secretmanager.Secrets{Cloud: d.cloud}),
		ImagePolicy: googleapis.ImagePolicy(binaryauthorization.Reviewer{Cloud: d.cloud}),
		Probes:      googleapis.Probes(d.cloud),
	}
	apiServer := &http.Server{Handler: handler, TLSConfig: googleapis.TLS(ca), ReadHeaderTimeout: headerTimeout}
	metadataServer := &http.Server{Handler: credentialplugin.Metadata(d.runtime.Identify, d.cloud.Token), ReadHeaderTimeout: headerTimeout}
	d.servers = append(d.servers, apiServer, metadataServer)
	for _, listener := range listeners {
		go func() { _ = apiServer.ServeTLS(listener, "", "") }()
	}
	go func() { _ = metadataServer.Serve(metadata) }()
	return nil
}

// serveProviders serves the stand-ins for Pulumi's providers gcp and tls, each on its own
// loopback port.
func (d *daemon) serveProviders() (map[string]int, error) {
	ports := map[string]int{}
	paused := breakpoint.Interceptor(d.state.Dir)
	for name, server := range map[string]pulumirpc.ResourceProviderServer{
		"gcp": gcpprovider.New(d.cloud), "tls": tlsprovider.New(),
	} {
		handle, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
			Init: func(s *grpc.Server) error {
				pulumirpc.RegisterResourceProviderServer(s, server)
				return nil
			},
			Options: append(rpcutil.OpenTracingServerInterceptorOptions(nil), grpc.ChainUnaryInterceptor(paused, recovered)),
		})
		if err != nil {
			return nil, fmt.Errorf("serving the provider %s: %w", name, err)
		}
		ports[name] = handle.Port
	}
	return ports, nil
}

// recovered turns a panic of a provider into an error of that call. The rest of the sandbox,
// with everything that runs in it, keeps running.
func recovered(ctx context.Context, request any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (response any, err error) {
	defer func() {
		if cause := recover(); cause != nil {
			slog.Error("panic", "method", info.FullMethod, "cause", cause, "stack", string(debug.Stack()))
			err = status.Errorf(codes.Internal, "a defect of the sandbox's provider (%v); its log has the details", cause)
		}
	}()
	return handle(ctx, request)
}

// clusterStarted runs what GKE runs beside each cluster.
func (d *daemon) clusterStarted(ctx context.Context, c *cluster.Cluster) {
	config, err := c.RESTConfig()
	if err != nil {
		slog.Error("reading the cluster's kubeconfig", "error", err)
		return
	}
	client, err := clientset.NewForConfig(config)
	if err != nil {
		slog.Error("connecting to the cluster", "error", err)
		return
	}
	controller := &loadbalancer.Controller{
		Client: client, Router: balancer{d.network, d.tools}, Cloud: &forwarding{cloud: d.cloud, spec: c.Spec()},
		Health: &http.Client{Timeout: time.Second, Transport: &http.Transport{DisableKeepAlives: true, DialContext: d.network.DialContext}},
	}
	go controller.Run(ctx)
}

// deployerToken returns kube-apiserver's static token file. In it the deployer is an
// administrator, like an account with roles/container.admin in Google's IAM.
func (d *daemon) deployerToken() (file string, err error) {
	file = d.state.path("credentials/tokens.csv")
	if _, err := os.Stat(file); err == nil {
		return file, nil
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		return "", err
	}
	random := make([]byte, 32)
	if _, err := rand.Read(random); err != nil {
		return "", err
	}
	token := hex.EncodeToString(random)
	if err := os.WriteFile(credentialplugin.DeployerToken(d.state.Dir), []byte(token), 0o600); err != nil {
		return "", err
	}
	email := "deployer@" + d.project + ".iam.gserviceaccount.com"
	return file, os.WriteFile(file, fmt.Appendf(nil, "%s,%s,%s,\"system:masters\"\n", token, email, email), 0o600)
}

func (d *daemon) stop() error {
	var errs []error
	for _, s := range d.servers {
		errs = append(errs, s.Close())
	}
	if d.runtime != nil {
		errs = append(errs, d.runtime.Stop())
	}
	return errors.Join(append(errs, d.network.Close())...)
}

// balancer is the router, with the program that distinguishes its connections.
type balancer struct {
	network *network.Network
	tools   tools.Tools
}

// Balance implements loadbalancer.Router.
func (b balancer) Balance(destination netip.Addr, next ...netip.Addr) error {
	return b.network.Balance(func(rules []byte) error {
		cmd := exec.Command(b.tools.IPTablesRestore(), "--noflush")
		cmd.Env, cmd.Stdin = append(os.Environ(), b.tools.Env()...), bytes.NewReader(rules)
		if _, err := subprocess.Output(cmd); err != nil {
			return fmt.Errorf("loading the load balancer's rules: %w", err)
		}
		return nil
	}, destination, next...)
}

// forwarding lets one cluster's load balancers make forwarding rules.
type forwarding struct {
	cloud *gcp.Cloud
	spec  container.ClusterSpec
}

func (f *forwarding) region() string {
	// A zone is its region and one more part: us-central1-a.
	if strings.Count(f.spec.Location, "-") == 2 {
		return f.spec.Location[:strings.LastIndex(f.spec.Location, "-")]
	}
	return f.spec.Location
}

// Reserved implements loadbalancer.Cloud.
func (f *forwarding) Reserved(name string) (netip.Addr, error) {
	address, ok := compute.ReservedAddress(f.cloud, f.spec.Project, f.region(), name)
	if !ok {
		return netip.Addr{}, fmt.Errorf("the address %s is not reserved in region %s", name, f.region())
	}
	return address, nil
}

// Forward implements loadbalancer.Cloud.
func (f *forwarding) Forward(rule string, address netip.Addr, ports []int32) error {
	return container.PutForwardingRule(f.cloud, container.ForwardingRule{
		Name: rule, Project: f.spec.Project, Region: f.region(), Cluster: f.spec.Name, Address: address, Ports: ports,
	})
}

// Unforward implements loadbalancer.Cloud.
func (f *forwarding) Unforward(rule string) error {
	return container.DeleteForwardingRule(f.cloud, rule)
}
