// Package tlsprovider stands in for the Pulumi TLS provider, whose official binary no
// package registry serves. Of the resources and inputs of pulumi-tls v5.2.0, it has those
// that stacks have, made with crypto/x509: keys and certificates are as real
// as the official ones and live only in the stack's state.
package tlsprovider

import (
	"context"
	"fmt"
	"maps"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/structpb"
)

// version is the version of the provider whose resources these are.
const version = "5.2.0"

// resource holds the inputs of one resource, with its defaults set.
type resource interface {
	// problems returns what is wrong with the inputs: property to reason.
	problems() map[string]string
	// create makes the resource: its ID and what the inputs don't say.
	create(now time.Time) (id string, computed map[string]string, err error)
}

// kind is a type of resource.
type kind struct {
	inputs   func() resource // inputs with their defaults
	computed []string        // outputs that are not inputs
	secrets  []string        // outputs that are always encrypted
}

var kinds = map[string]kind{
	"tls:index/privateKey:PrivateKey": {
		inputs:   func() resource { return &privateKey{RsaBits: rsaBits, EcdsaCurve: "P224"} },
		computed: []string{"privateKeyPem", "privateKeyPemPkcs8", "publicKeyPem"},
		secrets:  []string{"privateKeyPem", "privateKeyPemPkcs8"},
	},
	"tls:index/certRequest:CertRequest": {
		inputs:   func() resource { return &certRequest{} },
		computed: []string{"certRequestPem", "keyAlgorithm"},
		secrets:  []string{"privateKeyPem"},
	},
	"tls:index/selfSignedCert:SelfSignedCert": {
		inputs:   func() resource { return &selfSignedCert{} },
		computed: []string{"certPem", "keyAlgorithm", "validityStartTime", "validityEndTime"},
		secrets:  []string{"privateKeyPem"},
	},
	"tls:index/locallySignedCert:LocallySignedCert": {
		inputs:   func() resource { return &locallySignedCert{} },
		computed: []string{"certPem", "caKeyAlgorithm", "validityStartTime", "validityEndTime"},
		secrets:  []string{"caPrivateKeyPem"},
	},
}

type provider struct {
	pulumirpc.UnimplementedResourceProviderServer
	now func() time.Time
}

// New returns the provider. It keeps nothing between calls, so any number of
// engines may use it at once.
func New() pulumirpc.ResourceProviderServer { return &provider{now: time.Now} }

func (p *provider) CheckConfig(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	return &pulumirpc.CheckResponse{Inputs: req.GetNews()}, nil
}

func (p *provider) DiffConfig(_ context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	return diffBags(req.GetOldInputs(), req.GetNews(), func(string) bool { return false })
}

func (p *provider) Configure(context.Context, *pulumirpc.ConfigureRequest) (*pulumirpc.ConfigureResponse, error) {
	return &pulumirpc.ConfigureResponse{SupportsPreview: true}, nil
}

func (p *provider) Attach(context.Context, *pulumirpc.PluginAttach) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func (p *provider) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: version}, nil
}

// Cancel has nothing to stop: no call takes longer than making a key.
func (p *provider) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

func (p *provider) Check(_ context.Context, req *pulumirpc.CheckRequest) (*pulumirpc.CheckResponse, error) {
	k, err := kindOf(req.GetType())
	if err != nil {
		return nil, err
	}
	resp := &pulumirpc.CheckResponse{Inputs: req.GetNews()}
	if hasUnknown(req.GetNews().AsMap()) {
		return resp, nil // checked again once everything is known
	}
	inputs, err := decode(k, req.GetNews())
	if err != nil {
		resp.Failures = []*pulumirpc.CheckFailure{{Reason: err.Error()}}
		return resp, nil
	}
	for name, reason := range inputs.problems() {
		resp.Failures = append(resp.Failures, &pulumirpc.CheckFailure{Property: name, Reason: reason})
	}
	return resp, nil
}

// Diff replaces a resource at any change, because nothing of a certificate can change in place.
// The exception is earlyRenewalHours, which is not part of the certificate.
func (p *provider) Diff(_ context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	if _, err := kindOf(req.GetType()); err != nil {
		return nil, err
	}
	resp, err := diffBags(req.GetOldInputs(), req.GetNews(), func(path string) bool {
		return path != "earlyRenewalHours"
	})
	if err != nil {
		return nil, err
	}
	if p.readyForRenewal(req.GetOlds(), req.GetNews()) {
		addChange(resp, "readyForRenewal", pulumirpc.PropertyDiff_UPDATE, true)
		resp.DetailedDiff["readyForRenewal"].InputDiff = false
	}
	return resp, nil
}

func (p *provider) Create(_ context.Context, req *pulumirpc.CreateRequest) (*pulumirpc.CreateResponse, error) {
	k, err := kindOf(req.GetType())
	if err != nil {
		return nil, err
	}
	if req.GetPreview() {
		outputs := k.outputs(req.GetProperties())
		for _, name := range k.computed {
			outputs.Fields[name] = unknownValue()
		}
		return &pulumirpc.CreateResponse{Properties: outputs}, nil
	}
	inputs, err := decode(k, req.GetProperties())
	if err != nil {
		return nil, err
	}
	id, computed, err := inputs.create(p.now())
	if err != nil {
		return nil, fmt.Errorf("creating %s: %w", req.GetName(), err)
	}
	outputs, err := encode(inputs)
	if err != nil {
		return nil, err
	}
	for name, value := range computed {
		outputs.Fields[name] = structpb.NewStringValue(value)
	}
	if computed["certPem"] != "" {
		outputs.Fields["readyForRenewal"] = structpb.NewBoolValue(false)
	}
	return &pulumirpc.CreateResponse{Id: id, Properties: k.outputs(outputs)}, nil
}

// Update only ever sees a new earlyRenewalHours: see Diff.
func (p *provider) Update(_ context.Context, req *pulumirpc.UpdateRequest) (*pulumirpc.UpdateResponse, error) {
	k, err := kindOf(req.GetType())
	if err != nil {
		return nil, err
	}
	outputs := &structpb.Struct{Fields: maps.Clone(req.GetOlds().GetFields())}
	outputs.Fields["earlyRenewalHours"] = structpb.NewNumberValue(0)
	maps.Copy(outputs.Fields, req.GetNews().GetFields())
	return &pulumirpc.UpdateResponse{Properties: k.outputs(outputs)}, nil
}

// Read returns the state as it is, except for the one property that time changes.
func (p *provider) Read(_ context.Context, req *pulumirpc.ReadRequest) (*pulumirpc.ReadResponse, error) {
	k, err := kindOf(req.GetType())
	if err != nil {
		return nil, err
	}
	if len(req.GetProperties().GetFields()) == 0 {
		return nil, status.Errorf(codes.FailedPrecondition,
			"reading %s %q: keys and certificates live only in the stack's state and cannot be imported",
			req.GetType(), req.GetId())
	}
	outputs := &structpb.Struct{Fields: maps.Clone(req.GetProperties().GetFields())}
	if p.readyForRenewal(outputs, req.GetInputs()) {
		outputs.Fields["readyForRenewal"] = structpb.NewBoolValue(true)
	}
	return &pulumirpc.ReadResponse{Id: req.GetId(), Properties: k.outputs(outputs), Inputs: req.GetInputs()}, nil
}

// Delete has nothing to remove outside the stack's state.
func (p *provider) Delete(context.Context, *pulumirpc.DeleteRequest) (*emptypb.Empty, error) {
	return &emptypb.Empty{}, nil
}

// readyForRenewal reports whether a certificate is within earlyRenewalHours of its end, or past it.
func (p *provider) readyForRenewal(state, inputs *structpb.Struct) bool {
	end, err := time.Parse(time.RFC3339, state.GetFields()["validityEndTime"].GetStringValue())
	if err != nil {
		return false // not a certificate
	}
	early := inputs.GetFields()["earlyRenewalHours"].GetNumberValue()
	return !p.now().Before(end.Add(-time.Duration(early * float64(time.Hour))))
}

func kindOf(token string) (kind, error) {
	k, found := kinds[token]
	if !found {
		return kind{}, status.Errorf(codes.Unimplemented, "the sandbox's TLS provider has no resource %q", token)
	}
	return k, nil
}
