package gcpprovider

import (
	"context"
	"path"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/emptypb"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/kms"
)

func TestLifecycle(t *testing.T) {
	t.Parallel()
	e := newEngine(t, noRuntime{})
	steps := program()
	var states []state
	for _, step := range steps {
		s := e.create(step.token, step.inputs)
		states = append(states, s)
		if matched, err := path.Match(step.id, s.id); !matched || err != nil {
			t.Errorf("ID of %s = %q, want %q", step.token, s.id, step.id)
		}
	}
	if covered := len(resourceTypes); len(steps) != covered {
		t.Errorf("the program has %d types, want all %d", len(steps), covered)
	}
	for i, s := range states {
		if d, _ := e.diff(s, steps[i].inputs); d.Changes != pulumirpc.DiffResponse_DIFF_NONE {
			t.Errorf("a second preview of %s = %v, want no change", s.token, d.DetailedDiff)
		}
		refreshed := e.read(s)
		if refreshed.id != s.id || !refreshed.inputs.DeepEquals(s.inputs) {
			t.Errorf("refresh of %s = %q with inputs %v, want them unchanged: %v", s.token, refreshed.id, refreshed.inputs, s.inputs)
		}
		imported := e.read(state{token: s.token, id: s.id})
		if resourceTypes[s.token].unread {
			if len(imported.inputs) > 0 {
				t.Errorf("importing %s read %v, want nothing: the client cannot", s.token, imported.inputs)
			}
			continue
		}
		if d, _ := e.diff(imported, steps[i].inputs); d.Changes != pulumirpc.DiffResponse_DIFF_NONE {
			t.Errorf("preview after importing %s = %v, want no change", s.token, d.DetailedDiff)
		}
	}
	slices.Reverse(states)
	for _, s := range states {
		if err := e.delete(s); err != nil {
			t.Errorf("Delete(%s) = %v, want nil", s.token, err)
		}
		gone := e.read(s)
		if s.token == customRoleType { // Google keeps it for seven days
			if deleted := gone.outputs["deleted"]; !deleted.IsBool() || !deleted.BoolValue() {
				t.Errorf("Read(%s) after deletion = %v, want deleted: true", s.token, gone.outputs)
			}
			if err := e.delete(s); err == nil || !strings.Contains(err.Error(), "already deleted") {
				t.Errorf("second Delete(%s) = %v, want a refusal", s.token, err)
			}
			continue
		}
		if gone.id != "" && !resourceTypes[s.token].unread {
			t.Errorf("Read(%s) after deletion = %q, want no ID", s.token, gone.id)
		}
		if err := e.delete(s); err != nil {
			t.Errorf("second Delete(%s) = %v, want nil", s.token, err)
		}
	}
	if left := e.cloud.Objects(); len(left) != 0 {
		t.Errorf("left over: %v", left)
	}
}

func TestOutputs(t *testing.T) {
	t.Parallel()
	e := newEngine(t, noRuntime{})
	want := map[string]props{
		networkType:    {"selfLink": "https://www.googleapis.com/compute/v1/projects/test-project/global/networks/net", "project": "test-project"},
		subnetworkType: {"gatewayAddress": "10.0.0.1", "region": "us-central1"},
		"gcp:compute/address:Address": {"address": "198.51.100.10", "labels": props{"app": "edge"},
			"pulumiLabels": props{"app": "edge", "goog-pulumi-provisioned": "true"}, "effectiveLabels": props{"app": "edge", "goog-pulumi-provisioned": "true"}},
		accountType:    {"email": "nodes-account@test-project.iam.gserviceaccount.com", "member": "serviceAccount:nodes-account@test-project.iam.gserviceaccount.com"},
		repositoryType: {"registryUri": "us-central1-docker.pkg.dev/test-project/images", "name": "images", "mode": "STANDARD_REPOSITORY"},
		clusterToken: {"endpoint": "203.0.113.2", "masterVersion": "1.35.4-gke.1", "masterAuth": props{
			"clientCertificateConfig": props{"issueClientCertificate": false}, "clusterCaCertificate": "UEVN"}},
		policyToken: {"documentation": props{"content": "Look at the access log.", "mimeType": "text/markdown"}, "enabled": true},
		poolToken:   {"version": "1.35.4-gke.1", "location": "us-central1"},
	}
	for _, step := range program() {
		s := e.create(step.token, step.inputs)
		for key, value := range want[step.token] {
			if got := plainValue(s.outputs[resource.PropertyKey(key)]); !reflect.DeepEqual(got, value) {
				t.Errorf("%s of %s = %v, want %v", key, step.token, got, value)
			}
		}
		schema := loadSchemas().Resources[step.token]
		for key := range s.outputs {
			if _, known := schema.Inputs[string(key)]; !known && !slices.Contains(schema.Outputs, string(key)) {
				t.Errorf("%s has output %s, which the SDK does not know", step.token, key)
			}
		}
	}
}

func TestUpdateAndDrift(t *testing.T) {
	t.Parallel()
	e := newEngine(t, noRuntime{})
	s := e.create("gcp:compute/address:Address", props{"name": "ip", "labels": props{"app": "edge"}})
	_, news := e.diff(s, props{"name": "ip", "labels": props{"app": "other"}})
	preview, err := e.client.Update(context.Background(), &pulumirpc.UpdateRequest{Urn: urn(s.token), Id: s.id,
		Olds: e.encode(s.outputs), OldInputs: e.encode(s.inputs), News: e.encode(news), Preview: true})
	if err != nil {
		t.Fatal(err)
	}
	done, err := e.client.Update(context.Background(), &pulumirpc.UpdateRequest{Urn: urn(s.token), Id: s.id,
		Olds: e.encode(s.outputs), OldInputs: e.encode(s.inputs), News: e.encode(news)})
	if err != nil {
		t.Fatal(err)
	}
	for name, properties := range map[string]resource.PropertyMap{"preview": e.decode(preview.Properties), "update": e.decode(done.Properties)} {
		labels := plainValue(properties["effectiveLabels"])
		if want := (props{"app": "other", "goog-pulumi-provisioned": "true"}); !reflect.DeepEqual(labels, want) {
			t.Errorf("labels after %s = %v, want %v", name, labels, want)
		}
		if !properties["address"].DeepEquals(s.outputs["address"]) {
			t.Errorf("address after %s = %v, want it unchanged", name, properties["address"])
		}
	}
	s.inputs, s.outputs = news, e.decode(done.Properties)
	o, err := e.cloud.Get(s.id)
	if err != nil {
		t.Fatal(err)
	}
	o.Config["labels"] = props{"app": "by hand"}
	if _, err := e.cloud.Update(context.Background(), o.Name, gcp.Place{}, o.Config); err != nil {
		t.Fatal(err)
	}
	d, _ := e.diff(e.read(s), props{"name": "ip", "labels": props{"app": "other"}})
	if d.DetailedDiff["labels.app"].GetKind() != pulumirpc.PropertyDiff_UPDATE {
		t.Errorf("preview after somebody changed a label = %v, want it changed back", d.DetailedDiff)
	}
}

func TestDashboardDrift(t *testing.T) {
	t.Parallel()
	e := newEngine(t, noRuntime{})
	inputs := props{"dashboardJson": dashboardJSON}
	s := e.create(dashboardToken, inputs)
	if got := s.outputs["dashboardJson"].StringValue(); !strings.Contains(got, `"name":"`+s.id+`"`) || !strings.Contains(got, `"etag":"`) {
		t.Errorf("dashboardJson = %s, want it as the API gives it back", got)
	}
	byHand := gcp.Properties{"dashboardJson": strings.Replace(dashboardJSON, "Hello", "by hand", 1)}
	if _, err := e.cloud.Update(context.Background(), s.id, gcp.Place{}, byHand); err != nil {
		t.Fatal(err)
	}
	d, _ := e.diff(e.read(s), inputs)
	if d.DetailedDiff["dashboardJson"].GetKind() != pulumirpc.PropertyDiff_UPDATE || len(d.Replaces) > 0 {
		t.Errorf("preview after somebody changed a widget = %v, want it changed back in place", d.DetailedDiff)
	}
}

func TestPreviewToleratesUnknowns(t *testing.T) {
	t.Parallel()
	e := newEngine(t, noRuntime{})
	inputs := resource.NewPropertyMapFromMap(props{"initialNodeCount": 1, "masterAuth": props{"clientCertificateConfig": props{"issueClientCertificate": false}}})
	inputs["network"] = unknown()
	inputs["resourceLabels"] = resource.NewProperty(resource.PropertyMap{"app": unknown()})
	checked, failures := e.check(clusterToken, nil, inputs)
	if len(failures) > 0 {
		t.Fatalf("Check = %v, want no failures", failures)
	}
	response, err := e.client.Create(context.Background(), &pulumirpc.CreateRequest{Urn: urn(clusterToken), Properties: e.encode(checked), Preview: true})
	if err != nil {
		t.Fatal(err)
	}
	m := e.decode(response.Properties)
	for _, key := range []resource.PropertyKey{"network", "endpoint", "masterVersion", "location", "project", "effectiveLabels"} {
		if !m[key].IsComputed() {
			t.Errorf("%s = %v, want it unknown", key, m[key])
		}
	}
	if !m["masterAuth"].ObjectValue()["clusterCaCertificate"].IsComputed() {
		t.Errorf("masterAuth = %v, want its CA certificate unknown", m["masterAuth"])
	}
	if response.Id != "" || len(e.cloud.Objects()) != 0 {
		t.Errorf("preview: ID %q, objects %v, want no ID, nothing made", response.Id, e.cloud.Objects())
	}
}

func TestSecretsStaySecret(t *testing.T) {
	t.Parallel()
	e := newEngine(t, noRuntime{})
	inputs := resource.PropertyMap{"name": resource.NewProperty("n"), "description": resource.MakeSecret(resource.NewProperty("hidden"))}
	checked, _ := e.check(networkType, nil, inputs)
	response, err := e.client.Create(context.Background(), &pulumirpc.CreateRequest{Urn: urn(networkType), Properties: e.encode(checked)})
	if err != nil {
		t.Fatal(err)
	}
	s := state{networkType, response.Id, checked, e.decode(response.Properties)}
	for name, m := range map[string]resource.PropertyMap{"created": s.outputs, "refreshed": e.read(s).outputs, "refreshed inputs": e.read(s).inputs} {
		if !m["description"].IsSecret() {
			t.Errorf("description %s = %v, want a secret", name, m["description"])
		}
	}
	if o, err := e.cloud.Get(s.id); err != nil || o.Config["description"] != "hidden" {
		t.Errorf("the cloud has %v, %v, want the value itself", o.Config, err)
	}
}

func TestDeletionIsProtected(t *testing.T) {
	t.Parallel()
	e := newEngine(t, noRuntime{})
	for _, s := range []struct {
		token, property, want string
		value                 any
	}{
		{clusterToken, "deletionProtection", "cannot destroy cluster because deletion_protection is set to true", true},
		{networkType, "deletionPolicy", "deletion_policy is PREVENT", "PREVENT"},
	} {
		err := e.delete(state{token: s.token, id: "x", outputs: resource.PropertyMap{resource.PropertyKey(s.property): resource.NewPropertyValue(s.value)}})
		if err == nil || !strings.Contains(err.Error(), s.want) {
			t.Errorf("Delete(%s) = %v, want %q", s.token, err, s.want)
		}
	}
	kept := e.create("gcp:projects/service:Service", props{"service": "dns.googleapis.com"})
	if err := e.delete(kept); err != nil || e.read(kept).id == "" {
		t.Errorf("deleting a service without disableOnDestroy: %v, enabled %v, want it still enabled", err, e.read(kept).id != "")
	}
}

func TestErrorsNameTheResource(t *testing.T) {
	t.Parallel()
	e := newEngine(t, noRuntime{})
	e.create(networkType, props{"name": "net"})
	_, err := e.tryCreate(networkType, props{"name": "net"})
	want := `creating Network "Edge": googleapi: Error 409: The resource 'projects/test-project/global/networks/net' already exists, alreadyExists`
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Errorf("Create = %v, want %s", err, want)
	}
}

func TestCancelWaitsForWhatIsUnderWay(t *testing.T) {
	t.Parallel()
	rt := noRuntime{begun: make(chan struct{}), end: make(chan struct{})}
	e := newEngine(t, rt)
	result := make(chan error)
	for _, step := range program() {
		if step.token != clusterToken {
			if step.token != poolToken {
				e.create(step.token, step.inputs)
			}
			continue
		}
		checked, _ := e.check(step.token, nil, resource.NewPropertyMapFromMap(step.inputs))
		go func() {
			_, err := e.client.Create(context.Background(), &pulumirpc.CreateRequest{Urn: urn(clusterToken), Properties: e.encode(checked)})
			result <- err
		}()
	}
	<-rt.begun
	if _, err := e.client.Cancel(context.Background(), &emptypb.Empty{}); err != nil {
		t.Fatal(err)
	}
	close(rt.end)
	if err := <-result; err != nil {
		t.Errorf("Create = %v, want the operation's end", err)
	}
	if _, err := e.cloud.Get("projects/test-project/locations/us-central1/clusters/gke"); err != nil {
		t.Errorf("Get = %v, want the cluster", err)
	}
}

// TestAnotherConnectionOutlivesACancel cancels one connection, as the engine does at the end of
// each run. Another connection, such as the one of `sandbox tamper`, keeps the configuration of that
// run.
func TestAnotherConnectionOutlivesACancel(t *testing.T) {
	t.Parallel()
	e := newEngine(t, noRuntime{})
	if _, err := e.client.Cancel(context.Background(), &emptypb.Empty{}); err != nil {
		t.Fatal(err)
	}
	request := &pulumirpc.CreateRequest{
		Urn:        urn("gcp:compute/network:Network"),
		Properties: e.encode(resource.NewPropertyMapFromMap(props{"name": "edge", "autoCreateSubnetworks": false})),
	}
	if _, err := e.client.Create(context.Background(), request); err == nil || !strings.Contains(err.Error(), errCancelled.Error()) {
		t.Errorf("Create where it was cancelled = %v, want %v", err, errCancelled)
	}
	if _, err := e.dial().Create(context.Background(), request); err != nil {
		t.Errorf("Create through another connection = %v", err)
	}
	if _, err := e.cloud.Get("projects/test-project/global/networks/edge"); err != nil {
		t.Errorf("Get = %v, want the network in the project of the first connection", err)
	}
}

func TestInstancesHaveTheirOwnConfiguration(t *testing.T) {
	t.Parallel()
	e := newEngine(t, noRuntime{})
	other := e.dial()
	e.configure(other, props{"project": "other-project", "region": "us-east1", "defaultLabels": `{"team":"edge"}`})
	for want, client := range map[string]pulumirpc.ResourceProviderClient{"test-project": e.client, "other-project": other} {
		response, err := client.Invoke(context.Background(), &pulumirpc.InvokeRequest{Tok: "gcp:organizations/getClientConfig:getClientConfig"})
		if err != nil {
			t.Fatal(err)
		}
		m := e.decode(response.Return)
		if m["project"].V != want || !m["accessToken"].IsSecret() {
			t.Errorf("getClientConfig = %v, want project %s and a secret token", m, want)
		}
		if email, ok := e.cloud.Identity(m["accessToken"].SecretValue().Element.StringValue()); !ok || email != gcp.Deployer(want) {
			t.Errorf("the token's identity = %q, want the deployer of %s", email, want)
		}
	}
	getProject := &pulumirpc.InvokeRequest{Tok: "gcp:organizations/getProject:getProject"}
	if _, err := other.Invoke(context.Background(), getProject); err == nil || !strings.Contains(err.Error(), "it is disabled") {
		t.Errorf("getProject where its API is off: %v, want a refusal that says so", err)
	}
	e.client = other
	e.create("gcp:projects/service:Service", props{"service": "cloudresourcemanager.googleapis.com"})
	response, err := other.Invoke(context.Background(), getProject)
	if err != nil || response.Return.Fields["projectId"].GetStringValue() != "other-project" || len(response.Return.Fields["number"].GetStringValue()) != 12 {
		t.Errorf("getProject = %v, %v, want other-project and its number", response, err)
	}
	_, err = other.Invoke(context.Background(), &pulumirpc.InvokeRequest{Tok: "gcp:compute/getZones:getZones"})
	if err == nil || !strings.Contains(err.Error(), "gcp:compute/getZones:getZones") {
		t.Errorf("another function = %v, want an error that names it", err)
	}
}

// TestManagedZone reads a zone of another project.
func TestManagedZone(t *testing.T) {
	t.Parallel()
	e := newEngine(t, noRuntime{})
	e.create("gcp:projects/service:Service", props{"service": "dns.googleapis.com"})
	read := func(name string) (*pulumirpc.InvokeResponse, error) {
		return e.client.Invoke(context.Background(), &pulumirpc.InvokeRequest{
			Tok: "gcp:dns/getManagedZone:getManagedZone", Args: e.encode(resource.NewPropertyMapFromMap(props{"name": name, "project": "dns-project"})),
		})
	}
	response, err := read("example-com")
	if err != nil || response.Return.Fields["dnsName"].GetStringValue() != "example.com." ||
		response.Return.Fields["id"].GetStringValue() != "projects/dns-project/managedZones/example-com" {
		t.Errorf("getManagedZone = %v, %v", response, err)
	}
	if _, err := read("nowhere"); err == nil || !strings.Contains(err.Error(), "'nowhere' does not exist") {
		t.Errorf("a zone that is not there: %v", err)
	}
}

// TestKeyVersion reads what an attestor is made of, with the rights of the caller.
func TestKeyVersion(t *testing.T) {
	t.Parallel()
	e := newEngine(t, noRuntime{})
	const key = "projects/test-project/locations/us-central1/keyRings/ring/cryptoKeys/images"
	invoke := func(client pulumirpc.ResourceProviderClient) (*pulumirpc.InvokeResponse, error) {
		return client.Invoke(context.Background(), &pulumirpc.InvokeRequest{
			Tok: "gcp:kms/getKMSCryptoKeyVersion:getKMSCryptoKeyVersion", Args: e.encode(resource.NewPropertyMapFromMap(props{"cryptoKey": key, "version": 3})),
		})
	}
	response, err := invoke(e.client)
	if err != nil {
		t.Fatal(err)
	}
	got := plain(e.decode(response.Return))
	pem, err := kms.Keys{Cloud: e.cloud}.SigningKey(context.Background(), key+"/cryptoKeyVersions/3")
	if err != nil {
		t.Fatal(err)
	}
	if want := []any{map[string]any{"pem": pem, "algorithm": "EC_SIGN_P256_SHA256"}}; !reflect.DeepEqual(got["publicKeys"], want) {
		t.Errorf("publicKeys = %v, want %v", got["publicKeys"], want)
	}
	e.employ([]string{"iam.roles.list"})
	pipeline := e.dial()
	e.configure(pipeline, props{"project": "test-project", "region": "us-central1", "impersonateServiceAccount": ci})
	if _, err := invoke(pipeline); err == nil || !strings.Contains(err.Error(), "cloudkms.cryptoKeyVersions.get") {
		t.Errorf("without a role: %v, want a refusal that names the permission", err)
	}
}
