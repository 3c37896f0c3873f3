// Package gcpprovider is a stand-in for Pulumi's provider `gcp`: the same resource
// types, inputs, outputs and IDs, on the emulated Google Cloud. What it serves is
// a table, resourceTypes, and the SDK's own schema; it exists because the
// official provider is in no package registry.
package gcpprovider

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"

	"example.com/grpc-edge/internal/wait"
	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/container"
)

// version is the version of the SDK whose schema is served.
const version = "9.33.0"

type provider struct {
	pulumirpc.UnimplementedResourceProviderServer
	cloud    *gcp.Cloud
	sessions sessions
	wait     func(context.Context, time.Duration) error // between tries
}

// New returns the provider on an emulated cloud. One server may serve any
// number of provider instances and runs of Pulumi.
func New(c *gcp.Cloud) pulumirpc.ResourceProviderServer {
	return &provider{cloud: c, wait: wait.For}
}

// Handshake implements pulumirpc.ResourceProviderServer.
func (p *provider) Handshake(ctx context.Context, r *pulumirpc.ProviderHandshakeRequest) (*pulumirpc.ProviderHandshakeResponse, error) {
	p.sessions.meet(ctx, r.GetEngineAddress())
	return &pulumirpc.ProviderHandshakeResponse{
		AcceptSecrets: true, AcceptResources: true, AcceptOutputs: true, SupportsAutonamingConfiguration: true,
	}, nil
}

// Attach implements pulumirpc.ResourceProviderServer.
func (p *provider) Attach(ctx context.Context, r *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	p.sessions.meet(ctx, r.GetAddress())
	return &emptypb.Empty{}, nil
}

// GetPluginInfo implements pulumirpc.ResourceProviderServer.
func (p *provider) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version}, nil
}

// Check implements pulumirpc.ResourceProviderServer: it validates inputs and
// completes them with a name and defaults.
func (p *provider) Check(_ context.Context, r *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	t, schema, err := lookUp(r.Urn)
	if err != nil {
		return nil, err
	}
	olds, news, err := decodeTwo(r.Olds, r.News)
	if err != nil {
		return nil, err
	}
	delete(news, defaultsKey)
	failures := append(validate(schema, news), t.conflicting(news)...)
	if len(failures) == 0 {
		if err := complete(t, r, olds, news); err != nil {
			return nil, err
		}
		for _, v := range p.cloud.Check(t.kind, plain(news)) {
			failures = append(failures, &pulumirpc.CheckFailure{Property: v.Property, Reason: v.Reason})
		}
	}
	inputs, err := encode(news)
	return &pulumirpc.CheckResponse{Inputs: inputs, Failures: failures}, err
}

// Create implements pulumirpc.ResourceProviderServer.
func (p *provider) Create(ctx context.Context, r *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	t, schema, err := lookUp(r.Urn)
	if err != nil {
		return nil, err
	}
	news, err := decode(r.Properties)
	if err != nil {
		return nil, err
	}
	s, ctx, done := p.sessions.begin(ctx)
	defer done()
	if r.Preview {
		properties, err := encode(planned(t, schema, s, news))
		return &pulumirpc.CreateResponse{Properties: properties}, err
	}
	o, err := p.retried(ctx, func() (gcp.Object, error) { return p.cloud.Create(ctx, t.kind, s.place, t.config(s, news)) })
	if err != nil {
		return nil, failed("creating", r.Urn, err)
	}
	properties, err := encode(outputs(schema, o, news))
	return &pulumirpc.CreateResponse{Id: t.id(o.Name), Properties: properties}, err
}

// Read implements pulumirpc.ResourceProviderServer, for refresh and import. For an object that
// is gone, it returns an empty ID.
func (p *provider) Read(ctx context.Context, r *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	t, schema, err := lookUp(r.Urn)
	if err != nil {
		return nil, err
	}
	if t.unread {
		return &pulumirpc.ReadResponse{Id: r.Id, Properties: r.Properties, Inputs: r.Inputs}, nil
	}
	_, ctx, done := p.sessions.begin(ctx)
	defer done()
	o, err := p.retried(ctx, func() (gcp.Object, error) { return p.cloud.Read(ctx, t.kind, t.name(r.Id)) })
	if gcp.IsNotFound(err) || err == nil && o.Kind != t.kind {
		return &pulumirpc.ReadResponse{}, nil
	}
	if err != nil {
		return nil, failed("reading", r.Urn, err)
	}
	olds, err := decode(r.Inputs)
	if err != nil {
		return nil, err
	}
	properties, err := encode(outputs(schema, o, olds))
	if err != nil {
		return nil, err
	}
	inputs, err := encode(inputsOf(schema, o, olds))
	return &pulumirpc.ReadResponse{Id: t.id(o.Name), Properties: properties, Inputs: inputs}, err
}

// Update implements pulumirpc.ResourceProviderServer.
func (p *provider) Update(ctx context.Context, r *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	t, schema, err := lookUp(r.Urn)
	if err != nil {
		return nil, err
	}
	olds, news, err := decodeTwo(r.Olds, r.News)
	if err != nil {
		return nil, err
	}
	s, ctx, done := p.sessions.begin(ctx)
	defer done()
	if r.Preview {
		properties, err := encode(overlaid(t, schema, s, olds, news))
		return &pulumirpc.UpdateResponse{Properties: properties}, err
	}
	name := t.name(r.Id)
	old, err := p.cloud.Get(name)
	if err != nil {
		return nil, failed("updating", r.Urn, err)
	}
	config := t.config(s, news)
	for _, key := range slices.Concat(schema.Computed, t.stays) { // what a program no longer gives stays as it is
		if value, had := old.Config[key]; had && config[key] == nil {
			config[key] = value
		}
	}
	o, err := p.retried(ctx, func() (gcp.Object, error) { return p.cloud.Update(ctx, name, s.place, config) })
	if err != nil {
		return nil, failed("updating", r.Urn, err)
	}
	properties, err := encode(outputs(schema, o, news))
	return &pulumirpc.UpdateResponse{Properties: properties}, err
}

// Delete implements pulumirpc.ResourceProviderServer. An object that is already gone counts as
// deleted.
func (p *provider) Delete(ctx context.Context, r *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	t, _, err := lookUp(r.Urn)
	if err != nil {
		return nil, err
	}
	state, err := decode(r.Properties)
	if err != nil {
		return nil, err
	}
	old := plain(state)
	switch {
	case old["deletionPolicy"] == "PREVENT":
		return nil, failed("deleting", r.Urn, errors.New("deletion_policy is PREVENT: set it to DELETE and update first"))
	case old["deletionPolicy"] == "ABANDON", t.kind == gcp.KindService && old["disableOnDestroy"] != true:
		return &emptypb.Empty{}, nil
	case t.kind == container.KindCluster && old["deletionProtection"] != false:
		return nil, failed("deleting", r.Urn, errors.New("cannot destroy cluster because deletion_protection is set to true. "+
			"Set it to false, and update, to proceed with cluster deletion"))
	}
	_, ctx, done := p.sessions.begin(ctx)
	defer done()
	_, err = p.retried(ctx, func() (gcp.Object, error) { return gcp.Object{}, p.cloud.Delete(ctx, t.name(r.Id)) })
	if err != nil && !gcp.IsNotFound(err) {
		return nil, failed("deleting", r.Urn, err)
	}
	return &emptypb.Empty{}, nil
}

// lookUp returns what is known of the type of a resource.
func lookUp(urn string) (resourceType, typeSchema, error) {
	token := string(resource.URN(urn).Type())
	t, ok := resourceTypes[token]
	if !ok {
		return t, typeSchema{}, status.Errorf(codes.Unimplemented, "the sandbox does not emulate %s; it emulates %s",
			token, strings.Join(slices.Sorted(maps.Keys(resourceTypes)), ", "))
	}
	return t, loadSchemas().Resources[token], nil
}

func failed(doing, urn string, err error) error {
	u := resource.URN(urn)
	return status.Errorf(codes.Unknown, "%s %s %q: %v", doing, u.Type().Name(), u.Name(), err)
}

var marshalOptions = plugin.MarshalOptions{KeepUnknowns: true, KeepSecrets: true, SkipNulls: true}

func decode(s *structpb.Struct) (resource.PropertyMap, error) {
	m, err := plugin.UnmarshalProperties(s, marshalOptions)
	if m == nil {
		m = resource.PropertyMap{}
	}
	return m, err
}

func decodeTwo(a, b *structpb.Struct) (resource.PropertyMap, resource.PropertyMap, error) {
	first, err := decode(a)
	if err != nil {
		return nil, nil, err
	}
	second, err := decode(b)
	return first, second, err
}

func encode(m resource.PropertyMap) (*structpb.Struct, error) {
	return plugin.MarshalProperties(m, marshalOptions)
}
