// Package kubernetes stands in for the Pulumi Kubernetes provider, whose
// official binary no package registry serves. It deploys any kind of object to
// a real API server with server-side apply, waits until it is ready, and
// follows the rules of pulumi-kubernetes v4.33.0 for names, replacement and
// provider configuration.
//
// Helm, Kustomize, YAML and *Patch resources are refused by name.
package kubernetes

import (
	"context"
	"sync"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/peer"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"example.com/grpc-edge/sandbox/property"
)

// version is the version of the provider whose rules these are.
const version = "4.33.0"

type provider struct {
	pulumirpc.UnimplementedResourceProviderServer

	mu sync.Mutex
	// instances are the provider resources in use: an engine opens a connection
	// for each, so the connection tells them apart. They are few and small.
	instances map[string]*instance
	last      *instance // the one configured last
}

// instance is one provider resource of one engine run.
type instance struct {
	ctx     context.Context // ends when the engine cancels its run
	cancel  context.CancelFunc
	engine  string // where to show progress; empty if the engine has not said
	cluster *cluster
}

// New returns the provider. One server may serve any number of engine runs and
// provider resources at once, each with its own cluster.
func New() pulumirpc.ResourceProviderServer {
	return &provider{instances: map[string]*instance{}}
}

// instance returns the provider resource that the call is for. A connection
// that was made anew after a break takes over what was configured last.
func (p *provider) instance(ctx context.Context) *instance {
	address := ""
	if from, ok := peer.FromContext(ctx); ok {
		address = from.Addr.String()
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if i, found := p.instances[address]; found {
		return i
	}
	i := &instance{}
	if p.last != nil {
		i.engine, i.cluster = p.last.engine, p.last.cluster
	}
	i.ctx, i.cancel = context.WithCancel(context.Background())
	p.instances[address] = i
	return i
}

// start returns the provider resource that the call is for, ready to use, and a
// context that ends with the call or with the engine's run.
func (p *provider) start(ctx context.Context) (*instance, context.Context, func(), error) {
	i := p.instance(ctx)
	p.mu.Lock()
	configured := i.cluster != nil
	p.mu.Unlock()
	if !configured {
		return nil, nil, nil, status.Error(codes.FailedPrecondition, "the Kubernetes provider is not configured yet")
	}
	ctx, cancel := context.WithCancel(ctx)
	release := context.AfterFunc(i.ctx, cancel)
	return i, ctx, func() { release(); cancel() }, nil
}

// Attach says where the engine is.
func (p *provider) Attach(ctx context.Context, req *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	i := p.instance(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	i.engine = req.GetAddress()
	return &emptypb.Empty{}, nil
}

// Configure sets the cluster of a provider resource. The cluster is not
// contacted: it may be unreachable until something is to be done in it.
func (p *provider) Configure(ctx context.Context, req *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	config, err := property.Plain(req.GetArgs())
	if err != nil {
		return nil, err
	}
	cluster, err := connect(config)
	if err != nil {
		return nil, status.Error(codes.InvalidArgument, err.Error())
	}
	i := p.instance(ctx)
	p.mu.Lock()
	defer p.mu.Unlock()
	i.cluster, p.last = cluster, i
	// Without AcceptSecrets the engine keeps track of which properties are
	// secret, and marks the outputs of the same names.
	return &pulumirpc.ConfigureResponse{SupportsPreview: true}, nil
}

// Cancel stops what the engine's run is waiting for.
func (p *provider) Cancel(ctx context.Context, _ *emptypb.Empty) (*emptypb.Empty, error) {
	p.instance(ctx).cancel()
	return &emptypb.Empty{}, nil
}

func (p *provider) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version}, nil
}

// progress returns a function that shows a passing message beside a resource.
// It is a courtesy: an engine that does not take it is no error.
func (i *instance) progress(ctx context.Context, urn string) func(message string) {
	return func(message string) {
		if i.engine == "" {
			return
		}
		conn, err := grpc.NewClient(i.engine, grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			return
		}
		defer conn.Close()
		_, _ = pulumirpc.NewEngineClient(conn).Log(ctx, &pulumirpc.LogRequest{
			Severity: pulumirpc.LogSeverity_INFO, Urn: urn, Message: message, Ephemeral: true,
		})
	}
}
