package gcpprovider

import (
	"cmp"
	"context"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/artifactregistry"
	"example.com/grpc-edge/sandbox/gcp/cloudbuild"
	"example.com/grpc-edge/sandbox/gcp/compute"
	"example.com/grpc-edge/sandbox/gcp/container"
	"example.com/grpc-edge/sandbox/gcp/iam"
	"example.com/grpc-edge/sandbox/gcp/kms"
)

const (
	grantType  = "gcp:projects/iAMMember:IAMMember"
	actAsType  = "gcp:serviceaccount/iAMMember:IAMMember"
	keyType    = "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember"
	nodesEmail = "nodes-account@test-project.iam.gserviceaccount.com"
)

// deliver creates what delivery adds to a stack, as its owner does, and returns it.
func (e *engine) deliver() map[string]state {
	e.t.Helper()
	var list []registered
	read(e.t, filepath.Join(infra, "testdata", "delivery.yaml"), &list)
	order := []string{"gcp:projects/service:Service", customRoleType, accountType, poolType, providerType}
	slices.SortStableFunc(list, func(a, b registered) int { return cmp.Compare(rank(order, a), rank(order, b)) })
	e.create(accountType, props{"accountId": "nodes-account"})
	made := map[string]state{}
	for _, r := range list {
		token, name, _ := strings.Cut(r.Resource, " ")
		if !strings.HasPrefix(token, "gcp:") {
			continue
		}
		if token == customRoleType {
			// A list leaves out permissions.
			r.Inputs["permissions"] = anys(e.held(strings.TrimPrefix(name, "delivery-")))
		}
		for key, value := range r.Inputs {
			if text, ok := value.(string); ok { // a list has names and numbers for what is not known yet
				text = strings.ReplaceAll(text, "projects/123456789012/", "projects/"+gcp.ProjectNumber(testPlace.Project)+"/")
				r.Inputs[key] = strings.ReplaceAll(text, "serviceAccounts/nodes@", "serviceAccounts/nodes-account@")
			}
		}
		made[name] = e.create(token, r.Inputs)
	}
	return made
}

// held returns the permissions that a role of delivery holds, see infra/delivery.
func (e *engine) held(name string) []string {
	e.t.Helper()
	const share = "artifactregistry.repositories.setIamPolicy"
	if name == "repositories" {
		return []string{share}
	}
	var role customRole
	read(e.t, roleFile(name), &role)
	return slices.DeleteFunc(role.Permissions, func(p string) bool {
		return p == "iam.serviceAccounts.actAs" || p == "cloudkms.cryptoKeyVersions.useToSign" || p == share
	})
}

func rank(order []string, r registered) int {
	token, _, _ := strings.Cut(r.Resource, " ")
	if i := slices.Index(order, token); i >= 0 {
		return i
	}
	return len(order)
}

// TestDeliveredAccountsMayDoTheirJobAlone tries what each account of CI may do, and what
// would give it more rights.
func TestDeliveredAccountsMayDoTheirJobAlone(t *testing.T) {
	e := newEngine(t, noRuntime{})
	made := e.deliver()
	const project, state = "projects/test-project", "projects/test-project/locations/us-central1/keyRings/pulumi/cryptoKeys/sandbox"
	const bucket = project + "/buckets/test-project-pulumi-state"
	const own = "projects/test-project/locations/us-central1/keyRings/grpc-edge/cryptoKeys/grpc-edge"
	const signing = "projects/test-project/locations/us-central1/keyRings/pulumi/cryptoKeys/sandbox-images"
	email := func(role string) string { return role + "-sandbox@test-project.iam.gserviceaccount.com" }
	grant := func(role string) gcp.Call {
		return gcp.Call{Verb: gcp.VerbCreate, Kind: iam.KindProjectMember, Name: project + "/iam/" + role + "/x", Config: gcp.Properties{"role": role}}
	}
	onKey := func(key, role string) gcp.Call {
		return gcp.Call{Verb: gcp.VerbCreate, Kind: kms.KindCryptoKeyMember, Name: key + "/iam/" + role + "/x", Config: gcp.Properties{"role": role}}
	}
	onRepository := func(role string) gcp.Call {
		return gcp.Call{Verb: gcp.VerbCreate, Kind: artifactregistry.KindRepositoryMember,
			Name: project + "/locations/us-central1/repositories/r/iam/" + role + "/x", Config: gcp.Properties{"role": role}}
	}
	runAs := func(account string) gcp.Call {
		return gcp.Call{Verb: gcp.VerbCreate, Kind: container.KindNodePool, Name: clusterName + "/nodePools/p",
			Config: gcp.Properties{"nodeConfig": gcp.Properties{"serviceAccount": account}}}
	}
	network := func(verb gcp.Verb) gcp.Call {
		return gcp.Call{Verb: verb, Kind: compute.KindNetwork, Name: project + "/global/networks/n"}
	}
	of := func(verb gcp.Verb, kind gcp.Kind, name string) gcp.Call {
		o, err := e.cloud.Get(resourceTypes[made[name].token].name(made[name].id))
		if err != nil {
			t.Fatal(err)
		}
		return gcp.Call{Verb: verb, Kind: kind, Name: o.Name, Config: o.Config}
	}
	const all = "previewer planner deployer destroyer reviewer"
	tests := []struct {
		what string
		call gcp.Call
		may  string // who
	}{
		{"read the network", network(gcp.VerbGet), all},
		{"make the network", network(gcp.VerbCreate), "deployer destroyer reviewer"},
		{"delete the network", network(gcp.VerbDelete), "destroyer reviewer"},
		{"grant nodes their role", grant("roles/container.defaultNodeServiceAccount"), "deployer destroyer reviewer"},
		{"let nodes pull images", onRepository("roles/artifactregistry.reader"), "deployer destroyer reviewer"},
		{"make an owner", grant("roles/owner"), ""},
		{"grant any key", grant("roles/cloudkms.cryptoKeyEncrypterDecrypter"), ""},
		{"grant its own role to another", grant("projects/test-project/roles/grpcEdge.deploy.sandbox"), ""},
		{"let services use the stack's key", onKey(own, "roles/cloudkms.cryptoKeyEncrypterDecrypter"), "deployer destroyer reviewer"},
		{"manage the stack's key", onKey(own, "roles/cloudkms.admin"), ""},
		{"let others use the state's key", onKey(state, "roles/cloudkms.cryptoKeyEncrypterDecrypter"), ""},
		{"run nodes as the account of nodes", runAs(nodesEmail), "deployer destroyer reviewer"},
		{"run nodes as the destroyer", runAs(email("destroyer")), "reviewer"},
		{"read the identity provider", of(gcp.VerbGet, iam.KindIdentityProvider, "delivery-github"), all},
		{"let in another repository", of(gcp.VerbUpdate, iam.KindIdentityProvider, "delivery-github"), ""},
		{"delete the pool", of(gcp.VerbDelete, iam.KindIdentityPool, "delivery"), ""},
		{"let others be the deployer", of(gcp.VerbCreate, iam.KindAccountMember, "delivery-deployer-deploy-workflow"), ""},
		{"add to a role", of(gcp.VerbUpdate, iam.KindCustomRole, "delivery-deploy"), ""},
		{"open the state", of(gcp.VerbCreate, iam.KindBucketMember, "delivery-deployer-state"), ""},
		{"have builds do something else", of(gcp.VerbUpdate, cloudbuild.KindTrigger, "delivery-deploy"), ""},
		{"lift the limit of its role", of(gcp.VerbDelete, iam.KindProjectMember, "delivery-deployer-deploy"), ""},
	}
	for _, test := range tests {
		for _, role := range strings.Fields(all) {
			err := e.cloud.Authorize(gcp.As(context.Background(), email(role)), test.call)
			if want := slices.Contains(strings.Fields(test.may), role); (err == nil) != want {
				t.Errorf("the %s wants to %s: %v, want allowed = %t", role, test.what, err, want)
			}
		}
	}
	for _, test := range []struct{ permission, resource, may string }{
		{"storage.objects.get", bucket + "/objects/delivery/sandbox/abc/plan.json", all},
		{"secretmanager.versions.access", project + "/secrets/github-token", "previewer"},
		{"secretmanager.versions.access", project + "/secrets/other", ""},
		{"storage.objects.create", bucket + "/objects/.pulumi/stacks/grpc-edge/sandbox.json", "deployer destroyer reviewer"},
		{"storage.objects.create", bucket + "/objects/delivery/sandbox/abc/plan.json", "planner deployer destroyer reviewer"},
		{"storage.objects.create", bucket + "/objects/delivery/prod/abc/plan.json", "deployer destroyer reviewer"},
		{"cloudkms.cryptoKeyVersions.useToDecrypt", state, all},
		{"cloudkms.cryptoKeyVersions.useToEncrypt", state, "reviewer"},
		{"cloudkms.cryptoKeyVersions.useToDecrypt", own, ""},
		{"cloudkms.cryptoKeyVersions.viewPublicKey", signing, all},
		{"cloudkms.cryptoKeyVersions.useToSign", signing, "deployer destroyer"},
		{"cloudkms.cryptoKeyVersions.useToSign", own, ""},
		{"logging.logEntries.create", project, "previewer planner deployer destroyer"},
	} {
		for _, role := range strings.Fields(all) {
			err := e.cloud.Permit(gcp.As(context.Background(), email(role)), test.permission, test.resource)
			if want := slices.Contains(strings.Fields(test.may), role); (err == nil) != want {
				t.Errorf("%s on %s for the %s: %v, want allowed = %t", test.permission, test.resource, role, err, want)
			}
		}
	}
}
