package gcpprovider

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"gotest.tools/v3/golden"
	"sigs.k8s.io/yaml"

	"example.com/grpc-edge/internal/subprocess"
	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/apis"
	"example.com/grpc-edge/sandbox/gcp/artifactregistry"
	"example.com/grpc-edge/sandbox/gcp/artifactregistry/docker"
	"example.com/grpc-edge/sandbox/gcp/binaryauthorization"
)

// infra is the folder of the program, relative to this package.
const infra = "../../../infra"

// customRole is a file for `gcloud iam roles create --file`.
type customRole struct {
	Title       string   `json:"title"`
	Description string   `json:"description"`
	Stage       string   `json:"stage"`
	Permissions []string `json:"includedPermissions"`
}

// ask describes one request of a Pulumi run to Google: a call, or a permission on a resource
// that Kubernetes or the registry checks.
type ask struct {
	call                 gcp.Call
	permission, resource string
}

func (a ask) permissions(c *gcp.Cloud) []string {
	if a.permission != "" {
		return []string{a.permission}
	}
	var names []string
	for _, n := range c.Needs(a.call) {
		names = append(names, n.Permission)
	}
	return names
}

// empty returns a cloud without objects.
func empty(t *testing.T) *gcp.Cloud {
	t.Helper()
	c, err := gcp.Open(t.TempDir(), apis.All(nil))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (a ask) judge(ctx context.Context, c *gcp.Cloud) error {
	if a.permission != "" {
		return c.Permit(ctx, a.permission, a.resource)
	}
	return c.Authorize(ctx, a.call)
}

// run describes a run that needs its own role.
type run struct {
	title, description string
	verbs              []gcp.Verb // of calls to Google
	objects            []string   // verbs on the cluster's objects; the API's watch and patch are list and update
	registry           []string   // permissions on repositories
	keys               []string   // permissions on the key that signs images
	program            bool       // the program runs, and calls functions
	awaits             bool       // whether Deployments and Services are ready is asked
}

const signingKey = "projects/test-project/locations/us-central1/keyRings/pulumi/cryptoKeys/prod-images"

// functions maps each function that a program calls to the permissions that it needs, and the
// object that it needs them on.
var functions = map[string]struct {
	permissions []string
	on          string
}{
	"gcp:organizations/getClientConfig:getClientConfig": {}, // asks nobody
	"gcp:organizations/getProject:getProject":           {[]string{"resourcemanager.projects.get"}, "projects/test-project"},
	"gcp:kms/getKMSCryptoKeyVersion:getKMSCryptoKeyVersion": {
		[]string{"cloudkms.cryptoKeyVersions.get", "cloudkms.cryptoKeys.get", "cloudkms.cryptoKeyVersions.viewPublicKey"}, signingKey},
	"gcp:dns/getManagedZone:getManagedZone": {[]string{"dns.managedZones.get"}, "projects/test-project/managedZones/example-com"},
	// Granted on each secret, and not in the roles: secretmanager.versions.access.
	"gcp:secretmanager/getSecretVersionAccess:getSecretVersionAccess": {},
}

var runs = map[string]run{
	"deploy": {
		title: "grpc-edge deploy", description: "What `pulumi up` needs to create and change the stack, but not to remove its cloud resources",
		verbs: []gcp.Verb{gcp.VerbCreate, gcp.VerbUpdate, gcp.VerbGet}, awaits: true,
		objects:  []string{"create", "update", "get", "list", "delete"}, // a changed ConfigMap is a new one, and the old one goes
		registry: []string{docker.PermissionDownload, docker.PermissionUpload},
		keys:     []string{"cloudkms.cryptoKeyVersions.useToSign"}, program: true,
	},
	"preview": {
		title: "grpc-edge preview", description: "What `pulumi preview`, also with --refresh, needs to read the stack",
		verbs: []gcp.Verb{gcp.VerbGet}, objects: []string{"get"}, program: true, awaits: true,
	},
	"destroy": {
		title: "grpc-edge destroy", description: "What `pulumi destroy` needs to remove the stack",
		verbs: []gcp.Verb{gcp.VerbDelete}, objects: []string{"delete", "get", "list"},
	},
}

// registered is a resource, or a function, of a golden list.
type registered struct {
	Resource string `json:"resource"`
	Parent   string `json:"parent"`
	Inputs   props  `json:"inputs"`

	// Function is the token of a function that the program calls; then the rest is empty.
	Function string `json:"function"`

	DeleteBeforeReplace bool `json:"deleteBeforeReplace"`
	// RetainOnDelete reports whether it stays when the stack goes.
	RetainOnDelete bool `json:"retainOnDelete"`
}

// delivered reports whether the resource is one that gives CI its rights. It exists before any
// pipeline runs, and only an owner changes it: a run only reads it.
func (r registered) delivered() bool { return strings.HasPrefix(r.Parent, "grpc-edge:delivery:") }

// goldenResources returns the resources of every stack whose list is kept.
func goldenResources(t *testing.T) []registered {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(infra, "testdata", "*.yaml"))
	if err != nil || len(files) == 0 {
		t.Fatalf("finding the golden lists: %v, %v", files, err)
	}
	var all []registered
	for _, file := range files {
		var stack []registered
		read(t, file, &stack)
		all = append(all, stack...)
	}
	return all
}

// project matches the project of a golden list: each stack has its own, and the roles are the
// same in all.
var project = regexp.MustCompile(`(?m)^    project: (.+)$`)

func read(t *testing.T, file string, into any) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if m := project.FindSubmatch(text); m != nil {
		text = bytes.ReplaceAll(text, m[1], []byte(testPlace.Project))
	}
	if err := yaml.Unmarshal(text, into); err != nil {
		t.Fatalf("reading %s: %v", file, err)
	}
}

var testPlace = gcp.Place{Project: "test-project", Region: "us-central1"}

const clusterName = "projects/test-project/locations/us-central1/clusters/gke"

// asks lists what a run asks for the resources of the program.
func (r run) asks(t *testing.T, program []registered) []ask {
	t.Helper()
	var all []ask
	for _, resource := range program {
		token, _, _ := strings.Cut(resource.Resource, " ")
		switch {
		case resource.Function != "":
			all = append(all, r.function(t, resource.Function)...)
		case strings.HasPrefix(token, "gcp:"):
			all = append(all, r.calls(t, resource)...)
		case strings.HasPrefix(token, "kubernetes:"):
			// The DNS endpoint asks this of whoever reaches the Kubernetes API by it (GKE,
			// "About network isolation"): dnsEndpoint is how hosted CI gets there.
			all = append(all, ask{permission: "container.clusters.connect", resource: clusterName})
			for _, verb := range r.objects {
				all = append(all, ask{permission: "container." + collection(token) + "." + verb, resource: clusterName})
			}
		}
	}
	// At its start the provider looks whether gcp:region exists (pulumi-gcp, provider/resources.go:
	// preConfigureCallbackWithLogger), and warns at every run if it may not.
	all = append(all, ask{permission: "compute.regions.list", resource: "projects/" + testPlace.Project})
	if r.awaits {
		for _, collection := range watched {
			all = append(all, ask{permission: "container." + collection + ".list", resource: clusterName})
		}
	}
	return all
}

// watched lists what shows whether Deployments and Services are ready. Without the permission
// the Kubernetes provider waits forever when it creates or updates one (its
// pkg/await/informers/factory.go), and a refresh calls it unhealthy. Newer providers may watch
// endpointSlices instead of endpoints (pulumi-kubernetes issue 3623).
var watched = []string{"pods", "replicaSets", "persistentVolumeClaims", "endpoints", "endpointSlices"}

// TestWatchedIsWhatTheProviderWatches reads the source of the pinned Kubernetes provider.
func TestWatchedIsWhatTheProviderWatches(t *testing.T) {
	t.Parallel()
	list := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/pulumi/pulumi-kubernetes/provider/v4")
	list.Dir, list.Env = filepath.Join(infra, "..", "tools", "pulumi-kubernetes"), append(os.Environ(), "GOWORK=off")
	module, err := subprocess.Output(list)
	if err != nil {
		t.Fatal(err)
	}
	known := strings.ToLower(strings.Join(append([]string{"deployments", "services"}, watched...), " "))
	for _, kind := range []string{"deployment", "service"} {
		source, err := os.ReadFile(filepath.Join(strings.TrimSpace(module), "pkg", "await", kind+".go"))
		if err != nil {
			t.Fatal(err)
		}
		found := regexp.MustCompile(`WithResource\("(\w+)"\)`).FindAllStringSubmatch(string(source), -1)
		if len(found) < 2 {
			t.Errorf("the provider watches %q of a %s, want the object and what it is ready by", found, kind)
		}
		for _, match := range found {
			if !slices.Contains(strings.Fields(known), match[1]) {
				t.Errorf("the provider watches %s of a %s: add it to `watched`, or `pulumi up` with the role waits forever", match[1], kind)
			}
		}
	}
}

func (r run) function(t *testing.T, token string) []ask {
	t.Helper()
	function, known := functions[token]
	if !known {
		t.Errorf("the program calls %s: name the permissions that it needs", token)
	}
	if !r.program {
		return nil
	}
	var all []ask
	for _, permission := range function.permissions {
		all = append(all, ask{permission: permission, resource: function.on})
	}
	return all
}

func (r run) calls(t *testing.T, resource registered) []ask {
	t.Helper()
	token, name, _ := strings.Cut(resource.Resource, " ")
	rt, _, err := lookUp(urn(token))
	if err != nil {
		t.Fatal(err)
	}
	config := gcp.Properties{}
	for key, value := range resource.Inputs {
		config[key] = value
	}
	if rt.autoname != "" && config[rt.autoname] == nil {
		config[rt.autoname] = name
	}
	if cluster, ok := config["cluster"].(string); ok && cluster == "cluster-id" { // a list has names for what is not known yet
		config["cluster"] = clusterName
	}
	object, err := empty(t).NameOf(rt.kind, testPlace, config)
	if err != nil {
		t.Fatalf("naming %s %s: %v", token, name, err)
	}
	verbs := r.verbs
	if rt.kind == binaryauthorization.KindOccurrence && slices.Contains(verbs, gcp.VerbCreate) {
		verbs = append(slices.Clone(verbs), gcp.VerbDelete) // that of an image that is replaced goes
	}
	var all []ask
	for _, verb := range verbs {
		if resource.delivered() && verb != gcp.VerbGet || resource.RetainOnDelete && verb == gcp.VerbDelete {
			continue
		}
		if verb == gcp.VerbDelete && rt.kind == gcp.KindService && config["disableOnDestroy"] == false {
			continue
		}
		all = append(all, ask{call: gcp.Call{Verb: verb, Kind: rt.kind, Name: object, Config: config}})
	}
	if rt.kind == binaryauthorization.KindAttestor {
		for _, permission := range r.keys {
			all = append(all, ask{permission: permission, resource: signingKey})
		}
	}
	if rt.kind == artifactregistry.KindRepository {
		for _, permission := range r.registry {
			all = append(all, ask{permission: permission, resource: object})
		}
	}
	return all
}

// collection returns the name that the permissions of a kind of Kubernetes object have in
// common; custom resources share one name ("Kubernetes API permissions", GKE).
func collection(token string) string {
	group, _, _ := strings.Cut(strings.TrimPrefix(token, "kubernetes:"), "/")
	kind := token[strings.LastIndex(token, ":")+1:]
	if strings.Contains(group, ".") && !strings.HasSuffix(group, ".k8s.io") {
		return "thirdPartyObjects"
	}
	plural := strings.ToLower(kind[:1]) + kind[1:] + "s"
	if stem, ok := strings.CutSuffix(kind, "y"); ok {
		plural = strings.ToLower(stem[:1]) + stem[1:] + "ies"
	}
	return plural
}

// derive returns the smallest role for a run.
func (r run) derive(c *gcp.Cloud, asks []ask) customRole {
	role := customRole{Title: r.title, Description: r.description, Stage: "GA"}
	for _, a := range asks {
		role.Permissions = append(role.Permissions, a.permissions(c)...)
	}
	slices.Sort(role.Permissions)
	role.Permissions = slices.Compact(role.Permissions)
	return role
}

func roleFile(name string) string { return filepath.Join(infra, "roles", name+".yaml") }

func TestRoleFilesAreDerivedFromTheProgram(t *testing.T) {
	program := goldenResources(t)
	for name, r := range runs {
		text, err := yaml.Marshal(r.derive(empty(t), r.asks(t, program)))
		if err != nil {
			t.Fatal(err)
		}
		header := fmt.Sprintf("# Derived from the resources in infra/testdata; `go test ./pulumi/gcpprovider -run Role -update` in sandbox/ writes it.\n"+
			"# gcloud iam roles create grpcEdge.%s --project PROJECT --file infra/roles/%s.yaml\n", name, name)
		golden.Assert(t, header+string(text), filepath.Join("..", roleFile(name))) // from testdata
	}
}

const ci = "ci-account@test-project.iam.gserviceaccount.com"

// employ creates CI's account and grants it a role with these permissions, and nothing else.
func (e *engine) employ(permissions []string) {
	e.t.Helper()
	e.create(accountType, props{"accountId": "ci-account"})
	role := e.create("gcp:projects/iAMCustomRole:IAMCustomRole", props{"roleId": "ciRole", "title": "CI", "permissions": anys(permissions)})
	e.create("gcp:projects/iAMMember:IAMMember", props{"project": "test-project", "role": role.id, "member": "serviceAccount:" + ci})
}

func (e *engine) setRole(permissions []string) {
	e.t.Helper()
	_, err := e.cloud.Update(context.Background(), "projects/test-project/roles/ciRole", testPlace,
		gcp.Properties{"roleId": "ciRole", "title": "CI", "permissions": anys(permissions)})
	if err != nil {
		e.t.Fatal(err)
	}
}

func anys(names []string) []any {
	list := make([]any, len(names))
	for i, name := range names {
		list[i] = name
	}
	return list
}

// TestEachPermissionOfRolesIsNeeded removes one permission after another.
func TestEachPermissionOfRolesIsNeeded(t *testing.T) {
	program := goldenResources(t)
	for name, r := range runs {
		t.Run(name, func(t *testing.T) {
			var role customRole
			read(t, roleFile(name), &role)
			e := newEngine(t, noRuntime{})
			e.employ(role.Permissions)
			asks := r.asks(t, program)
			refused := func() error {
				for _, a := range asks {
					if err := a.judge(gcp.As(context.Background(), ci), e.cloud); err != nil {
						return err
					}
				}
				return nil
			}
			if err := refused(); err != nil {
				t.Fatalf("the role is not enough: %v", err)
			}
			for i, missing := range role.Permissions {
				e.setRole(slices.Delete(slices.Clone(role.Permissions), i, i+1))
				if err := refused(); err == nil || !strings.Contains(err.Error(), missing) {
					t.Errorf("without %s: %v, want a refusal that names it", missing, err)
				}
			}
		})
	}
}

// TestPipelinesCannotRaiseTheirRights tries, with each role, to change the resources that give
// CI its rights. It skips accounts and grants on the project. A role cannot tell CI's own from the
// stack's, so conditions limit them.
func TestPipelinesCannotRaiseTheirRights(t *testing.T) {
	shared := []string{accountType, "gcp:projects/iAMMember:IAMMember"}
	every := run{verbs: []gcp.Verb{gcp.VerbCreate, gcp.VerbUpdate, gcp.VerbDelete}}
	tried := 0
	for name := range runs {
		var role customRole
		read(t, roleFile(name), &role)
		e := newEngine(t, noRuntime{})
		e.employ(role.Permissions)
		for _, r := range goldenResources(t) {
			if token, _, _ := strings.Cut(r.Resource, " "); !r.delivered() || slices.Contains(shared, token) {
				continue
			}
			r.Parent = ""
			for _, a := range every.calls(t, r) {
				tried++
				if _, isKey := a.call.Config["cryptoKeyId"]; isKey && name != "preview" {
					continue // the stack grants the use of its own key: a condition says which
				}
				if err := a.judge(gcp.As(context.Background(), ci), e.cloud); err == nil {
					t.Errorf("with the role %s, %s of %s is allowed, want it to be refused", name, a.call.Verb, r.Resource)
				}
			}
		}
	}
	if tried == 0 {
		t.Error("no golden list has anything of delivery")
	}
}

// TestRolesAreEnoughForARealRun makes, reads and removes one resource of each type that the program
// has, through the provider, as an account with the role alone. An owner makes the resources that only
// delivery has. The account may read them, but must not remove them. It must not remove resources that
// stay when the stack goes either.
func TestRolesAreEnoughForARealRun(t *testing.T) {
	used, ours, removable := map[string]bool{}, map[string]bool{}, map[string]bool{}
	for _, r := range goldenResources(t) {
		token, _, _ := strings.Cut(r.Resource, " ")
		used[token] = true
		ours[token] = ours[token] || !r.delivered()
		removable[token] = removable[token] || !r.delivered() && !r.RetainOnDelete
	}
	e := newEngine(t, noRuntime{})
	e.employ([]string{"iam.roles.list"})
	become := func(name string) {
		var role customRole
		read(t, roleFile(name), &role)
		e.setRole(role.Permissions)
	}
	owner, pipeline := e.client, e.dial()
	e.configure(pipeline, props{"project": "test-project", "region": "us-central1", "impersonateServiceAccount": ci})
	become("deploy")
	var states []state
	for _, step := range program() {
		if e.client = pipeline; !ours[step.token] {
			e.client = owner
		}
		if used[step.token] {
			states = append(states, e.create(step.token, step.inputs))
		}
	}
	e.client = pipeline
	for _, role := range []string{"deploy", "preview"} {
		become(role)
		for _, s := range states {
			e.read(s)
		}
	}
	if _, err := e.tryCreate(networkType, props{"name": "more"}); err == nil || !strings.Contains(err.Error(), "'compute.networks.create'") {
		t.Errorf("creating with the role for previews: %v, want a refusal that names compute.networks.create", err)
	}
	become("destroy")
	slices.Reverse(states)
	for _, s := range states {
		if s.token == "gcp:projects/service:Service" {
			continue // APIs stay enabled
		}
		if err := e.delete(s); (err == nil) != removable[s.token] {
			t.Errorf("removing %s: %v, want a refusal = %t", s.id, err, !removable[s.token])
		}
	}
}
