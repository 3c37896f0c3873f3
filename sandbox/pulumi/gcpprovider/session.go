package gcpprovider

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/types/known/emptypb"

	"example.com/grpc-edge/sandbox/gcp"
)

// session is one configured provider instance.
type session struct {
	place         gcp.Place
	account       string // that the calls are made as; empty for the deployer
	defaultLabels map[string]any
	attribution   bool
	context       context.Context
	cancel        context.CancelCauseFunc
}

// sessions holds the sessions by their connections: each instance has its own. A connection that
// configured nothing has the configuration of the last that did, even if that one was cancelled
// since.
type sessions struct {
	mu      sync.Mutex
	of      map[string]*session
	last    *session
	engines map[string]string // addresses, by the connections of the engines
}

func (s *sessions) meet(ctx context.Context, engine string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.engines == nil {
		s.engines = map[string]string{}
	}
	s.engines[connection(ctx)] = engine
}

// engine returns the address of the engine that sends a request, or "".
func (s *sessions) engine(ctx context.Context) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.engines[connection(ctx)]
}

// errCancelled is the error of a call that was not accepted before the engine wanted to stop.
var errCancelled = errors.New("cancelled: nothing was done")

func (s *sessions) find(ctx context.Context) *session {
	s.mu.Lock()
	defer s.mu.Unlock()
	if found, ok := s.of[connection(ctx)]; ok {
		return found
	}
	switch {
	case s.last == nil:
		s.last = newSession()
	case s.last.context.Err() != nil:
		s.last = s.last.renewed()
	}
	return s.last
}

// begin returns the session of a request, and a context for it that also ends
// when the engine cancels; done must be called at its end.
func (s *sessions) begin(ctx context.Context) (*session, context.Context, func()) {
	found := s.find(ctx)
	ctx, cancel := context.WithCancelCause(gcp.As(ctx, found.account))
	stop := context.AfterFunc(found.context, func() { cancel(context.Cause(found.context)) })
	if err := context.Cause(found.context); err != nil { // AfterFunc is about to
		cancel(err)
	}
	return found, ctx, func() { stop(); cancel(nil) }
}

func (s *sessions) put(ctx context.Context, configured *session) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = map[string]*session{}
	}
	s.of[connection(ctx)], s.last = configured, configured
}

func newSession() *session {
	s := &session{attribution: true}
	s.context, s.cancel = context.WithCancelCause(context.Background())
	return s
}

// renewed returns a session with the same configuration that nobody has cancelled.
func (s *session) renewed() *session {
	again := newSession()
	again.place, again.account = s.place, s.account
	again.defaultLabels, again.attribution = s.defaultLabels, s.attribution
	return again
}

func connection(ctx context.Context) string {
	if p, ok := peer.FromContext(ctx); ok {
		return p.Addr.String()
	}
	return ""
}

// CheckConfig implements pulumirpc.ResourceProviderServer.
func (p *provider) CheckConfig(_ context.Context, r *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: r.News}, nil
}

// DiffConfig implements pulumirpc.ResourceProviderServer: another configuration
// never replaces the provider.
func (p *provider) DiffConfig(_ context.Context, r *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	olds, news, err := decodeTwo(r.OldInputs, r.News)
	if err != nil {
		return nil, err
	}
	response := &pulumirpc.DiffResponse{Changes: pulumirpc.DiffResponse_DIFF_NONE}
	if diff := olds.Diff(news); diff != nil {
		response.Changes = pulumirpc.DiffResponse_DIFF_SOME
		for _, key := range diff.ChangedKeys() {
			response.Diffs = append(response.Diffs, string(key))
		}
	}
	return response, nil
}

// Configure implements pulumirpc.ResourceProviderServer. Of the provider's options, project,
// region, zone, impersonateServiceAccount, defaultLabels, addPulumiAttributionLabel and
// skipRegionValidation have an effect; credentials are not needed, and the other options have
// nothing to act on here.
func (p *provider) Configure(ctx context.Context, r *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	args, err := decode(r.Args)
	if err != nil {
		return nil, err
	}
	config := plain(args)
	text := func(key string) string { s, _ := config[key].(string); return s }
	s := newSession()
	s.place = gcp.Place{Project: text("project"), Region: text("region"), Zone: text("zone")}
	s.account = text("impersonateServiceAccount")
	s.attribution = config["addPulumiAttributionLabel"] != false && text("addPulumiAttributionLabel") != "false"
	if labels := text("defaultLabels"); labels != "" { // objects arrive as JSON text
		if err := json.Unmarshal([]byte(labels), &s.defaultLabels); err != nil {
			return nil, fmt.Errorf("reading gcp:defaultLabels: %w", err)
		}
	} else if labels, ok := config["defaultLabels"].(map[string]any); ok {
		s.defaultLabels = labels
	}
	p.sessions.put(ctx, s)
	if config["skipRegionValidation"] != true && text("skipRegionValidation") != "true" {
		p.listRegions(ctx, s)
	}
	return &pulumirpc.ConfigureResponse{
		AcceptSecrets: true, SupportsPreview: true, AcceptResources: true, AcceptOutputs: true,
		SupportsAutonamingConfiguration: true,
	}, nil
}

// Cancel implements pulumirpc.ResourceProviderServer: it stops retries, and nothing new begins.
// It waits for what Google has accepted, as the Terraform provider does (operation.go,
// OperationWait), so that the engine knows of it.
func (p *provider) Cancel(ctx context.Context, _ *emptypb.Empty) (*emptypb.Empty, error) {
	p.sessions.find(ctx).cancel(errCancelled)
	return &emptypb.Empty{}, nil
}

// labels returns the labels that an object gets: the provider's, the resource's, and the label
// by which Pulumi marks what it created.
func (s *session) labels(own map[string]any) map[string]any {
	all := map[string]any{}
	for _, labels := range []map[string]any{s.defaultLabels, own} {
		for key, value := range labels {
			all[key] = value
		}
	}
	if s.attribution {
		all[attributionLabel] = "true"
	}
	return all
}

const attributionLabel = "goog-pulumi-provisioned"

// defaultsKey lists, in a resource's inputs, those that no program gave.
const defaultsKey = resource.PropertyKey("__defaults")
