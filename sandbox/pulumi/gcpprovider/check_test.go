package gcpprovider

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

func TestCheck(t *testing.T) {
	t.Parallel()
	e := newEngine(t, noRuntime{})
	cases := []struct {
		token          string
		inputs         props
		property, want string
	}{
		{networkType, props{"names": "x"}, "names", `unknown property "names"; known are autoCreateSubnetworks`},
		{clusterToken, props{"privateClusterConfig": props{"enablePrivateNode": true}}, "privateClusterConfig.enablePrivateNode", "unknown property"},
		{clusterToken, props{"masterAuthorizedNetworksConfig": props{"cidrBlocks": []any{props{"cidr": "x"}}}},
			"masterAuthorizedNetworksConfig.cidrBlocks[0].cidr", "unknown property"},
		{subnetworkType, props{"ipCidrRange": "10.0.0.0/20"}, "network", "missing required property"},
		{networkType, props{"mtu": "big"}, "mtu", "must be an integer, not string"},
		{networkType, props{"name": "Not-A-Name"}, "name", "must be 1-63 characters"},
		{subnetworkType, props{"network": "n", "ipCidrRange": "10.0.0.0/33"}, "ipCidrRange", "CIDR notation"},
	}
	for _, tc := range cases {
		_, failures := e.check(tc.token, nil, resource.NewPropertyMapFromMap(tc.inputs))
		if !slices.ContainsFunc(failures, func(f *pulumirpc.CheckFailure) bool {
			return f.Property == tc.property && strings.Contains(f.Reason, tc.want)
		}) {
			t.Errorf("Check(%s, %v) = %v, want %s: %s", tc.token, tc.inputs, failures, tc.property, tc.want)
		}
	}
	_, err := e.client.Check(context.Background(), &pulumirpc.CheckRequest{Urn: urn("gcp:storage/bucket:Bucket")})
	if err == nil || !strings.Contains(err.Error(), "does not emulate gcp:storage/bucket:Bucket") {
		t.Errorf("Check of another type = %v, want an error that names it", err)
	}
}

func TestAutonaming(t *testing.T) {
	t.Parallel()
	e := newEngine(t, noRuntime{})
	s := e.create(networkType, nil)
	name := s.inputs["name"].StringValue()
	if rest, ok := strings.CutPrefix(name, "edge-"); !ok || len(rest) != 7 || strings.Trim(rest, "0123456789abcdef") != "" {
		t.Errorf("name = %q, want edge-<7 hex digits>", name)
	}
	d, checked := e.diff(s, props{"description": "d"})
	if checked["name"].StringValue() != name || d.DeleteBeforeReplace || !slices.Equal(d.Replaces, []string{"description"}) {
		t.Errorf("an update: name %v, %v, want the same name and replacement without deleting first", checked["name"], d)
	}
	response, err := e.client.Check(context.Background(), &pulumirpc.CheckRequest{Urn: urn(networkType), News: e.encode(nil),
		Autonaming: &pulumirpc.CheckRequest_AutonamingOptions{ProposedName: "proposed", Mode: pulumirpc.CheckRequest_AutonamingOptions_ENFORCE}})
	if err != nil || response.Inputs.Fields["name"].GetStringValue() != "proposed" {
		t.Errorf("enforced name = %v, %v, want proposed", response.GetInputs(), err)
	}
}

func TestTableMatchesSchema(t *testing.T) {
	t.Parallel()
	schemas := loadSchemas()
	var errs []error
	for token, rt := range resourceTypes {
		schema, ok := schemas.Resources[token]
		if !ok {
			t.Errorf("schema.json lacks %s", token)
			continue
		}
		paths := slices.Concat(rt.replace, rt.references, rt.computed)
		for key := range rt.defaults {
			paths = append(paths, key)
		}
		for key := range rt.replaceIf {
			paths = append(paths, key)
		}
		for _, path := range paths {
			if !exists(schemas, schema.Inputs, path) {
				errs = append(errs, errors.New(token+": "+path))
			}
		}
	}
	if err := errors.Join(errs...); err != nil {
		t.Errorf("paths that the SDK does not know:\n%v", err)
	}
}

func exists(s schemas, properties map[string]string, path string) bool {
	key, rest, more := strings.Cut(path, ".")
	goType, ok := properties[key]
	return ok && (!more || exists(s, s.Types[strings.TrimLeft(goType, "*[]")], rest))
}
