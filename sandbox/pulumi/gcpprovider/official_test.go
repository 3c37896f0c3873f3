package gcpprovider

import (
	"context"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/secretmanager"
)

// TestWhatGoogleReportsOtherwise creates objects that Google does not report as they were given.
// That is a diff at every run, which the program must avoid.
func TestWhatGoogleReportsOtherwise(t *testing.T) {
	t.Parallel()
	endpoints := func(private, addresses bool, ranges any) props {
		config := props{"enablePrivateNodes": true, "enablePrivateEndpoint": private}
		if ranges != nil {
			config["masterIpv4CidrBlock"] = ranges
		}
		return props{"privateClusterConfig": config, "controlPlaneEndpointsConfig": props{
			"dnsEndpointConfig": props{"allowExternalTraffic": true}, "ipEndpointsConfig": props{"enabled": addresses}}}
	}
	empty := strings.Replace(dashboardJSON, `"title": "T"`, `"title": "T", "id": ""`, 1)
	if empty == dashboardJSON {
		t.Fatal("the dashboard of these tests has no title to write behind")
	}
	for _, test := range []struct {
		name, token string
		given       props
		differs     string
	}{
		{"a public endpoint without addresses", clusterToken, endpoints(false, false, nil), "privateClusterConfig.enablePrivateEndpoint"},
		{"a private one", clusterToken, endpoints(true, false, nil), ""},
		{"a range without addresses", clusterToken, endpoints(true, false, "172.16.0.16/28"), "privateClusterConfig.masterIpv4CidrBlock"},
		{"with addresses", clusterToken, endpoints(false, true, "172.16.0.16/28"), ""},
		{"no key", clusterToken, props{"databaseEncryption": props{"state": "DECRYPTED"}}, ""},
		{"an empty field of a dashboard", dashboardToken, props{"dashboardJson": empty}, "dashboardJson"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			e := clusterEngine(t)
			inputs := props{}
			if test.token == clusterToken {
				inputs = clusterInputs(t, false)
			}
			for key, value := range test.given {
				inputs[key] = value
			}
			s := e.create(test.token, inputs)
			for when, s := range map[string]state{"after its creation": s, "after a refresh": e.read(s)} {
				d, _ := e.diff(s, inputs)
				var paths []string
				for path := range d.DetailedDiff {
					paths = append(paths, path)
				}
				if want := strings.Fields(test.differs); !slices.Equal(paths, want) {
					t.Errorf("%s %v differ, want %v", when, paths, want)
				}
			}
		})
	}
}

// TestLeftOutStays removes properties from the inputs, and checks that this is no diff: Google
// keeps their values.
func TestLeftOutStays(t *testing.T) {
	t.Parallel()
	e := clusterEngine(t)
	key := "projects/test-project/locations/us-central1/keyRings/r/cryptoKeys/k"
	e.create("gcp:projects/serviceIdentity:ServiceIdentity", props{"service": "container.googleapis.com"})
	e.create("gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember", props{"cryptoKeyId": key, "role": "roles/cloudkms.cryptoKeyEncrypterDecrypter",
		"member": "serviceAccount:service-" + gcp.ProjectNumber("test-project") + "@container-engine-robot.iam.gserviceaccount.com"})
	without := clusterInputs(t, false)
	with := clusterInputs(t, false)
	with["databaseEncryption"] = props{"state": "ENCRYPTED", "keyName": key}
	with["controlPlaneEndpointsConfig"] = props{"dnsEndpointConfig": props{"allowExternalTraffic": true}}
	cluster := e.create(clusterToken, with)
	if d, _ := e.diff(cluster, without); len(d.DetailedDiff) > 0 {
		t.Errorf("leaving the key and the DNS endpoint out changes %v, want nothing: they stay", d.DetailedDiff)
	}
	without["databaseEncryption"] = props{"state": "DECRYPTED"}
	if d, _ := e.diff(cluster, without); d.DetailedDiff["databaseEncryption.state"] == nil {
		t.Errorf("DECRYPTED changes %v, want the state", d.DetailedDiff)
	}
	pool := props{"cluster": cluster.id, "nodeCount": 1, "nodeLocations": []any{"us-central1-a", "us-central1-b"},
		"nodeConfig": props{"machineType": "e2-medium", "serviceAccount": "nodes-account@test-project.iam.gserviceaccount.com"}}
	nodes := e.create(poolToken, pool)
	delete(pool, "nodeLocations")
	if d, _ := e.diff(nodes, pool); len(d.DetailedDiff) > 0 {
		t.Errorf("emptied zones change %v, want nothing", d.DetailedDiff)
	}
}

// TestReplacedPoolsPlanNewNodes checks that a pool which is replaced because of another cluster
// plans its nodes as new, too.
func TestReplacedPoolsPlanNewNodes(t *testing.T) {
	t.Parallel()
	e := clusterEngine(t)
	nodes := props{"machineType": "e2-medium", "serviceAccount": "nodes-account@test-project.iam.gserviceaccount.com"}
	pool := e.create(poolToken, props{"cluster": e.create(clusterToken, clusterInputs(t, false)).id, "nodeCount": 1, "nodeConfig": nodes})
	d, _ := e.diff(pool, props{"cluster": "other", "nodeCount": 1, "nodeConfig": nodes})
	if want := []string{"cluster", "nodeConfig"}; !slices.Equal(d.Replaces, want) {
		t.Errorf("a pool of another cluster is replaced because of %v, want %v", d.Replaces, want)
	}
}

// TestPreviewKnows compares what is known before an object exists with the official provider:
// names that follow from an ID, and the object's properties in the end.
func TestPreviewKnows(t *testing.T) {
	t.Parallel()
	e := clusterEngine(t)
	preview := func(token string, inputs props) resource.PropertyMap {
		t.Helper()
		checked, failures := e.check(token, nil, resource.NewPropertyMapFromMap(inputs))
		if len(failures) > 0 {
			t.Fatalf("Check(%s) = %v", token, failures)
		}
		response, err := e.client.Create(context.Background(), &pulumirpc.CreateRequest{Urn: urn(token), Properties: e.encode(checked), Preview: true})
		if err != nil {
			t.Fatal(err)
		}
		return e.decode(response.Properties)
	}
	autopilot := preview(clusterToken, clusterInputs(t, true))
	standard := preview(clusterToken, clusterInputs(t, false))
	account := preview(accountType, props{"accountId": "ci-account"})
	reader := preview("gcp:artifactregistry/repositoryIamMember:RepositoryIamMember", props{"repository": "images", "role": "roles/artifactregistry.reader", "member": defaultAccount})
	role := preview(customRoleType, props{"roleId": "deploy", "title": "CI", "permissions": []any{"iam.roles.list"}})
	agent := preview("gcp:projects/serviceIdentity:ServiceIdentity", props{"service": "container.googleapis.com"})
	steps := program()
	policy := steps[len(steps)-1] // an alert without a form of its advice
	for name, test := range map[string]struct {
		got  resource.PropertyValue
		want any // nil for unknown
	}{
		"an account's email":         {account["email"], "ci-account@test-project.iam.gserviceaccount.com"},
		"an account's member":        {account["member"], "serviceAccount:ci-account@test-project.iam.gserviceaccount.com"},
		"an account's number":        {account["uniqueId"], nil},
		"an account's end":           {account["deletionPolicy"], "DELETE"},
		"a cluster's project":        {standard["project"], nil},
		"a secret's project":         {preview(secretMemberType, props{"secretId": "s", "role": "roles/viewer", "member": defaultAccount})["project"], nil},
		"a repository's project":     {reader["project"], nil},
		"a repository's location":    {reader["location"], nil},
		"a role's project":           {role["project"], "test-project"},
		"a role's end":               {role["deletionPolicy"], "DELETE"},
		"a role's stage":             {role["stage"], "GA"},
		"a role's name":              {role["name"], nil},
		"an agent's project":         {agent["project"], "test-project"},
		"an agent's member":          {agent["member"], nil},
		"a cluster's visibility":     {standard["enableIntranodeVisibility"], nil},
		"that of Autopilot":          {autopilot["enableIntranodeVisibility"], true},
		"a cluster's stack":          {standard["ipAllocationPolicy"].ObjectValue()["stackType"], "IPV4"},
		"the disks of Autopilot":     {autopilot["clusterAutoscaling"].ObjectValue()["autoProvisioningDefaults"].ObjectValue()["diskSize"], 100.0},
		"what the flow logs are for": {preview(subnetworkType, props{"network": "net", "ipCidrRange": "10.0.0.0/20", "logConfig": props{}})["logConfig"].ObjectValue()["filterExpr"], "true"},
		"how many flows they have":   {preview(subnetworkType, props{"network": "net", "ipCidrRange": "10.0.0.0/20", "logConfig": props{}})["logConfig"].ObjectValue()["flowSampling"], 0.5},
		"a pool's repair":            {preview(poolToken, props{"cluster": "gke", "management": props{}})["management"].ObjectValue()["autoRepair"], true},
		"a zone's description": {preview("gcp:dns/managedZone:ManagedZone", props{"dnsName": "googleapis.com.", "visibility": "private",
			"privateVisibilityConfig": props{"networks": []any{props{"networkUrl": "net"}}}})["description"], "Managed by Pulumi"},
		"an advice's form":  {preview(policyToken, policy.inputs)["documentation"].ObjectValue()["mimeType"], "text/markdown"},
		"a trigger's place": {preview(triggerType, props{"filename": "cloudbuild.yaml"})["location"], "global"},
	} {
		if test.want == nil && !test.got.IsComputed() || test.want != nil && (test.got.IsComputed() || test.got.V != test.want) {
			t.Errorf("%s is %v in a preview, want %v", name, test.got, test.want)
		}
	}
	for _, key := range []resource.PropertyKey{"enableKubernetesAlpha", "enableLegacyAbac"} {
		if v := standard[key]; !v.IsNull() && !v.IsComputed() {
			t.Errorf("%s is %v, want it left out: a false that nobody gave", key, v)
		}
	}
}

// TestSecretVersionAccess reads a secret as the program does, and as an account without the right.
func TestSecretVersionAccess(t *testing.T) {
	t.Parallel()
	e := newEngine(t, noRuntime{})
	e.create(accountType, props{"accountId": "ci-account"})
	for _, payload := range []string{"old", "new"} {
		if _, err := secretmanager.AddSecretVersion(e.dir, "test-project", "password", []byte(payload)); err != nil {
			t.Fatal(err)
		}
	}
	read := func(args props) (resource.PropertyMap, error) {
		response, err := e.client.Invoke(context.Background(), &pulumirpc.InvokeRequest{
			Tok: "gcp:secretmanager/getSecretVersionAccess:getSecretVersionAccess", Args: e.encode(resource.NewPropertyMapFromMap(args)),
		})
		if err != nil {
			return nil, err
		}
		return e.decode(response.Return), nil
	}
	for _, test := range []struct {
		args          props
		data, version string
	}{
		{props{"secret": "password"}, "new", "2"},
		{props{"secret": "password", "version": "1"}, "old", "1"},
		{props{"secret": "projects/test-project/secrets/password", "version": "1", "isSecretDataBase64": true}, "b2xk", "1"},
	} {
		got, err := read(test.args)
		if err != nil || !got["secretData"].IsSecret() || got["secretData"].SecretValue().Element.StringValue() != test.data || got["version"].StringValue() != test.version {
			t.Errorf("%v: %v, %v, want the secret %q of version %s", test.args, got, err, test.data, test.version)
		}
	}
	e.client = e.dial()
	e.configure(e.client, props{"project": "test-project", "region": "us-central1", "impersonateServiceAccount": ci})
	if got, err := read(props{"secret": "password"}); err == nil || !strings.Contains(err.Error(), "secretmanager.versions.access") {
		t.Errorf("an account without the right reads %v, %v, want a refusal that names the permission", got, err)
	}
}

// TestProjectsOfGrantsHaveTwoNames names the project of a grant in its other form.
func TestProjectsOfGrantsHaveTwoNames(t *testing.T) {
	t.Parallel()
	e := newEngine(t, noRuntime{})
	inputs := props{"project": "test-project", "role": "roles/logging.logWriter", "member": defaultAccount}
	s := e.create(grantType, inputs)
	inputs["project"] = "projects/test-project"
	if d, _ := e.diff(s, inputs); len(d.DetailedDiff) > 0 {
		t.Errorf("projects/test-project differs from test-project: %v, want no change", d.DetailedDiff)
	}
}
