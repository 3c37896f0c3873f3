package catalog

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
)

// defaults holds the defaults of a stack.
var defaults = Spec{
	CPU: "50m", Memory: "64Mi", Replicas: 2, ScaleAtCPUMillicores: 500, MaxCalls: 80,
	MinReadySeconds: 40, TerminationSeconds: 30, StartupSeconds: 120,
}

// repository writes services with these declarations, each with a proto of its own.
func repository(t *testing.T, declared map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, spec := range declared {
		dir := filepath.Join(root, Dir, name)
		write(t, filepath.Join(dir, SpecFile), []byte(spec))
		write(t, filepath.Join(dir, "go.mod"), nil)
		write(t, filepath.Join(dir, name+".proto"), nil)
		write(t, filepath.Join(dir, "prices.json"), []byte("{}"))
		writeDescriptor(t, dir, protoFile(name+".proto", name))
	}
	return root
}

func write(t *testing.T, file string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

func writeDescriptor(t *testing.T, dir string, files ...*descriptorpb.FileDescriptorProto) {
	t.Helper()
	content, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: files})
	if err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, DescriptorFile), content)
}

// protoFile describes a file with these services in the package of the first.
func protoFile(path string, services ...string) *descriptorpb.FileDescriptorProto {
	file := &descriptorpb.FileDescriptorProto{Name: proto.String(path), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("M")}}}
	for _, name := range services {
		file.Package = proto.String(strings.ReplaceAll(name, "-", "_"))
		file.Service = append(file.Service, &descriptorpb.ServiceDescriptorProto{Name: proto.String("S"), Method: []*descriptorpb.MethodDescriptorProto{
			{Name: proto.String("Get"), InputType: proto.String("." + file.GetPackage() + ".M"), OutputType: proto.String("." + file.GetPackage() + ".M")},
		}})
	}
	return file
}

func TestDefaultsServiceAndStack(t *testing.T) {
	t.Parallel()
	root := repository(t, map[string]string{
		"plain": "# nothing\n",
		"cart-2": `
memory: 256Mi
replicas: 3
calls: [plain]
environment: {LEVEL: info, MODE: shop}
secrets:
  KEY: {file: /etc/cart/key}
  PIN: {version: pin/3}
roles: [roles/pubsub.publisher, {role: roles/storage.objectViewer, condition: 'resource.name == "x"'}]
googleApis: true
`,
	})
	got, problems, err := Read(root, map[string]any{"cart-2": map[string]any{
		"replicas": 5, "environment": map[string]any{"LEVEL": "debug"}, "secrets": map[string]any{"KEY": map[string]any{"value": "secret"}},
	}}, defaults)
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	cart := defaults
	cart.Memory, cart.Replicas, cart.Calls = "256Mi", 5, []string{"plain"}
	cart.Environment = map[string]string{"LEVEL": "debug", "MODE": "shop"}
	cart.Secrets = map[string]Secret{"KEY": {Value: "secret", File: "/etc/cart/key"}, "PIN": {Version: "pin/3"}}
	cart.Roles = []Role{{Role: "roles/pubsub.publisher"}, {Role: "roles/storage.objectViewer", Condition: `resource.name == "x"`}}
	cart.GoogleAPIs = true
	want := map[string]Spec{"cart-2": cart, "plain": defaults}
	for _, s := range got {
		if diff := cmp.Diff(want[s.Name], s.Spec); diff != "" {
			t.Errorf("%s (-want +got):\n%s", s.Name, diff)
		}
		if methods := s.Methods(); len(methods) != 1 || s.Folder != "services/"+s.Name || !s.Built() {
			t.Errorf("%s: %d methods in %s", s.Name, len(methods), s.Folder)
		}
		delete(want, s.Name)
	}
	if len(want) > 0 {
		t.Errorf("missing: %v", want)
	}
	if bytes := got[0].MemoryLimitBytes(); bytes != 512<<20 {
		t.Errorf("the limit of memory is %d bytes, want twice the request", bytes)
	}
	if project, name, version := got[0].Secrets["PIN"].Parts("mine"); project != "mine" || name != "pin" || version != "3" {
		t.Errorf("the version is of %s %s %s", project, name, version)
	}
}

// TestProblems checks that each wrong value is one problem with its place, and all come at once.
func TestProblems(t *testing.T) {
	t.Parallel()
	const file = "services/shop/service.yaml "
	tests := []struct {
		spec string
		want []string
	}{
		{"replica: 3", []string{file + "replica is unknown; did you mean replicas? there may be image, command, args, private, serves"}},
		{"replicas: many\nmemory: 5\nprivate: 1\ncalls: plain\negress: {}", []string{
			file + `calls is "plain"; it must be a list`,
			file + `egress is {}; it must be a list`,
			file + `memory is 5; it must be text, in quotes if it looks like a number`,
			file + `private is 1; it must be true or false`,
			file + `replicas is "many"; it must be a whole number`,
		}},
		{"egress: [{cidr: 1, prots: [443]}]\nsecrets: {KEY: {vrsion: pin/1}}", []string{
			file + "egress[0].cidr is 1; it must be text", file + "egress[0].prots is unknown; did you mean ports?",
			file + "secrets.KEY.vrsion is unknown; did you mean version?",
		}},
		{"replicas: 0\nmaxCalls: -1\nstartupSeconds: 0\nterminationSeconds: 5", []string{
			file + "replicas is 0; it must be a whole number from 1 to 100", file + "maxCalls is -1", file + "terminationSeconds is 5", file + "startupSeconds is 0",
		}},
		{"replicas: 3\nreplicasMax: 2", []string{file + "replicasMax is 2; it must be 0, for always 3 pods"}},
		{"cpu: much\ncpuLimit: 0m", []string{file + `cpu is "much"`, file + `cpuLimit is "0m"`}},
		{"memory: 1g", []string{file + `memory is "1g"; it must be a number of Ki, Mi or Gi`}},
		{"memoryLimit: 32Mi", []string{file + "memoryLimit is 32Mi; it must be at least memory, 64Mi"}},
		{"image: registry.example/shop:latest", []string{file + `image is "registry.example/shop:latest"; it must be an image by digest`}},
		{"command: [/bin/x]\nargs: [serve]", []string{
			file + "command is for an image that is built elsewhere", file + "args is for an image that is built elsewhere",
		}},
		{"image: registry.example/shop@sha256:" + strings.Repeat("0", 64) + "\ncommand: [/bin/x]\nargs: [serve]", nil},
		{"environment: {PORT: '1', 2X: a, PLAIN_TARGET: b}\ncalls: [plain]", []string{
			file + "environment.2X cannot be the name of a variable", file + "environment.PLAIN_TARGET cannot be set: the platform sets it for calls to plain",
			file + "environment.PORT cannot be set: the platform sets it",
		}},
		{"secrets: {KEY: {}}", []string{file + "secrets.KEY has no value; set it with: pulumi config set --secret --path 'grpc-edge:services.shop.secrets.KEY.value' VALUE"}},
		{"secrets: {KEY: {value: x}}", []string{file + "secrets.KEY.value is a secret in the clear"}},
		{"secrets: {KEY: {version: pin/latest}}", []string{file + `secrets.KEY.version is "pin/latest"; it must be NAME/NUMBER`}},
		{"environment: {KEY: a}\nsecrets: {KEY: {version: pin/1}}", []string{file + "secrets.KEY cannot be set: environment has it"}},
		{"files: {/etc/shop/a: ../x, /etc/shop/b: none, etc: prices.json}", []string{
			file + `files./etc/shop/a is "../x"; it must be a file in the folder`, file + `files./etc/shop/b is "none", which is no file in services/shop`,
			file + "files.etc needs an absolute path",
		}},
		{"scratch: {/tmp: 1, /app: 1Mi}", []string{file + "scratch./tmp is 1; it must be text"}},
		{"scratch: {/tmp: '1', /app: 1Mi}", []string{file + "scratch./app needs an absolute path", file + `scratch./tmp is "1"; it must be a number of Ki`}},
		{"files: {/data/a: prices.json}\nscratch: {/data/a: 1Mi}", []string{file + "scratch./data/a and files./data/a are both at /data/a"}},
		{"cpu: '1'\ncpuLimit: 500m", []string{file + "cpuLimit is 500m; it must be at least cpu, 1"}},
		{"cpu: 250m\ncpuLimit: '0.25'", nil},
		{"secrets: {tls key: {version: pin/1, file: /etc/shop/key}}", []string{file + "secrets.tls key cannot be the name of a secret; it must be letters, digits"}},
		{"secrets: {tls.key-1: {version: pin/1, file: /etc/shop/key}}", nil},
		{"files: {/etc/shop/price list: prices.json, /etc/shop/größe: prices.json}", []string{
			file + "files./etc/shop/größe must be at most 200 letters, digits", file + "files./etc/shop/price list must be at most 200 letters, digits",
		}},
		{"scratch: {/proc/x: 1Mi, /etc/x: 1Mi}", []string{file + "scratch./proc/x needs an absolute path in the container that is not one of /, /app, /dev, /etc, /proc, /sys, nor below /dev, /proc, /sys"}},
		{"files: {/data/a: prices.json, /data/a/b: prices.json}\nscratch: {/data: 1Mi, /data/a/c: 1Mi}", []string{
			file + "files./data/a/b is below /data/a, which is a file", file + "scratch./data/a/c is below /data/a, which is a file",
		}},
		{"roles: [viewer]\ngoogleApis: true", []string{file + `roles [0] is "viewer"; it must be a role`}},
		{"roles: [roles/a, {role: roles/a, condition: x}, {role: roles/a}]\ngoogleApis: true", []string{file + "roles [2] is roles/a once more, with the same condition"}},
		{"roles: [roles/viewer]", []string{file + "roles are of no use without a way to Google's APIs; set googleApis to true"}},
		{"roles: [{rôle: x}]", []string{file + "roles[0].rôle is unknown; did you mean role? there may be role, condition"}},
		{"egress: [{cidr: 10.0.0.1/24, ports: []}, {cidr: 0.0.0.0/0, ports: [443]}]", []string{
			file + `egress [0].cidr is "10.0.0.1/24"`, file + "egress [0].ports is []", file + `egress [1].cidr is "0.0.0.0/0", which is everything; set internet to true instead`,
		}},
		{"calls: [shop, other]", []string{file + `calls [0] is "shop"; it must be one of plain`, file + `calls [1] is "other"`}},
		{"a: [", []string{file[:len(file)-1] + " cannot be read: "}},
	}
	for _, test := range tests {
		root := repository(t, map[string]string{"shop": test.spec, "plain": ""})
		_, problems, err := Read(root, nil, defaults)
		if err != nil {
			t.Fatal(err)
		}
		var got []string
		for _, p := range problems {
			got = append(got, p.Key+" "+p.Message)
		}
		for _, want := range test.want {
			if !strings.Contains(strings.Join(got, "\n")+"\n", want) {
				t.Errorf("%s\nlacks %q:\n%s", test.spec, want, strings.Join(got, "\n"))
			}
		}
		if len(got) != len(test.want) {
			t.Errorf("%s\nhas %d problems, want %d:\n%s", test.spec, len(got), len(test.want), strings.Join(got, "\n"))
		}
	}
}

// TestProblemsOfTheStack checks that a problem in a stack's value names its key.
func TestProblemsOfTheStack(t *testing.T) {
	t.Parallel()
	root := repository(t, map[string]string{"shop": "replicas: 3"})
	_, problems, err := Read(root, map[string]any{
		"shop": map[string]any{"replicas": 1000}, "cart": map[string]any{},
	}, defaults)
	want := []Problem{
		{"grpc-edge:services.shop.replicas", "is 1000; it must be a whole number from 1 to 100"},
		{"grpc-edge:services.cart", "is for no service; it must be one of shop"},
	}
	if diff := cmp.Diff(want, problems); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestProtosThatCannotBeServedTogether(t *testing.T) {
	t.Parallel()
	root := repository(t, map[string]string{"a": "", "b": "", "c": "private: true", "d": ""})
	same := protoFile("api.proto", "a")
	for name, file := range map[string]*descriptorpb.FileDescriptorProto{"a": same, "b": protoFile("api.proto", "b"), "c": same} {
		write(t, filepath.Join(root, Dir, name, "api.proto"), nil)
		writeDescriptor(t, filepath.Join(root, Dir, name), file)
	}
	write(t, filepath.Join(root, Dir, "d", "other.proto"), nil)
	writeDescriptor(t, filepath.Join(root, Dir, "d"), protoFile("other.proto", "a"))
	_, problems, err := Read(root, nil, defaults)
	want := []Problem{
		{"services/b/service.yaml", "has another api.proto than a, and reflection knows one file of a path; move it to a path of its own, such as b/v1/"},
		{"services/d/service.yaml", "serves a.S, which a serves already; a gRPC service has one backend: list in the field serves what each of them serves"},
		{"services/d/service.yaml", "declares a.M in other.proto, as a does in api.proto, and reflection and REST know a name once; give one of them another package"},
	}
	if diff := cmp.Diff(want, problems); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestProtosWithoutSpec(t *testing.T) {
	t.Parallel()
	root := repository(t, map[string]string{"a": "", "b": ""})
	if err := os.Remove(filepath.Join(root, Dir, "b", SpecFile)); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(root, Dir, "c", "proto", "c.proto"), nil)
	write(t, filepath.Join(root, Dir, "chassis", "chassis.go"), nil)
	write(t, filepath.Join(root, Dir, "generate.mk"), nil)
	_, problems, err := Read(root, nil, defaults)
	want := []Problem{
		{"services/b", "has b.proto, but is no service without service.yaml; write one, which is empty for a program in Go: touch services/b/service.yaml"},
		{"services/c", "has proto/c.proto, but is no service without service.yaml; write one, which is empty for a program in Go: touch services/c/service.yaml"},
	}
	if diff := cmp.Diff(want, problems); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// TestSecretsTogetherAreTooLarge checks the size of all values of a service together, since one
// Secret holds them.
func TestSecretsTogetherAreTooLarge(t *testing.T) {
	t.Parallel()
	root := repository(t, map[string]string{"shop": "secrets: {A: {}, B: {}}"})
	half := map[string]any{"value": strings.Repeat("a", maxFiles/2)}
	_, problems, err := Read(root, map[string]any{"shop": map[string]any{"secrets": map[string]any{"A": half, "B": half}}}, defaults)
	want := []Problem{{"grpc-edge:services.shop.secrets", "hold 1032194 bytes together; a Secret takes 1032192"}}
	if diff := cmp.Diff(want, problems); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

func TestWithoutProgram(t *testing.T) {
	t.Parallel()
	root := repository(t, map[string]string{"cart": "", "elsewhere": "image: registry.example/cart@sha256:" + strings.Repeat("0", 64)})
	for _, name := range []string{"cart", "elsewhere"} {
		if err := os.Remove(filepath.Join(root, Dir, name, "go.mod")); err != nil {
			t.Fatal(err)
		}
	}
	_, problems, err := Read(root, nil, Spec{})
	if err != nil {
		t.Fatal(err)
	}
	if len(problems) == 0 || !slices.ContainsFunc(problems, func(p Problem) bool {
		return p.Key == "services/cart/service.yaml image" && strings.Contains(p.Message, "has no go.mod of a program to build")
	}) || slices.ContainsFunc(problems, func(p Problem) bool {
		return strings.Contains(p.Key, "elsewhere") && strings.Contains(p.Message, "go.mod")
	}) {
		t.Errorf("got %v, want that cart has no program", problems)
	}
}

func TestMissingDescriptor(t *testing.T) {
	t.Parallel()
	root := repository(t, map[string]string{"a": ""})
	if err := os.Remove(filepath.Join(root, Dir, "a", DescriptorFile)); err != nil {
		t.Fatal(err)
	}
	_, problems, err := Read(root, nil, defaults)
	want := []Problem{{"services/a/descriptor.binpb", "is missing; write it with: make generate"}}
	if diff := cmp.Diff(want, problems); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}

// TestOnlyOwnServicesAreServed checks that services of several files and packages are served
// whole, and what they import is not.
func TestOnlyOwnServicesAreServed(t *testing.T) {
	t.Parallel()
	root := repository(t, map[string]string{"a": ""})
	dir := filepath.Join(root, Dir, "a")
	second := protoFile("a/v2/second.proto", "second")
	second.Dependency = []string{"google/longrunning/operations.proto"}
	writeDescriptor(t, dir, protoFile("google/longrunning/operations.proto", "foreign"), protoFile("a.proto", "first"), second)
	write(t, filepath.Join(dir, "a", "v2", "second.proto"), nil)
	got, problems, err := Read(root, nil, defaults)
	if err != nil || len(problems) > 0 {
		t.Fatal(err, problems)
	}
	var names []string
	for _, method := range got[0].Methods() {
		names = append(names, string(method.FullName()))
	}
	if diff := cmp.Diff([]string{"first.S.Get", "second.S.Get"}, names); diff != "" {
		t.Errorf("methods (-want +got):\n%s", diff)
	}
}

// demoFile describes one file with three gRPC services and what one of them imports.
func demoFile() *descriptorpb.FileDescriptorProto {
	file := protoFile("demo.proto", "demo", "demo", "demo")
	for i, name := range []string{"Cart", "Ads", "Mail"} {
		file.Service[i].Name = proto.String(name)
	}
	file.Dependency = []string{"types.proto"}
	return file
}

// TestServes checks that folders with one proto serve what they say, and show no files that only
// others need.
func TestServes(t *testing.T) {
	t.Parallel()
	root := repository(t, map[string]string{"cart": "serves: [demo.Cart]", "ads": "serves: [demo.Ads]", "mail": "serves: [demo.Mail]", "wrong": "serves: [Cart, wrong.S]"})
	client := protoFile("payment/client.proto", "payment")
	client.Dependency = []string{"payment/types.proto", "types.proto"}
	for _, name := range []string{"cart", "ads", "mail"} {
		dir := filepath.Join(root, Dir, name)
		types := protoFile("payment/types.proto")
		types.Package = proto.String("payment.types." + name) // each folder has another version
		details := protoFile("details.proto")                 // for an Any: no file imports it
		details.Package = proto.String("details")
		writeDescriptor(t, dir, protoFile("types.proto"), types, demoFile(), client, details)
		for _, file := range []string{"types.proto", "details.proto", "demo.proto", "payment/client.proto", "payment/types.proto"} {
			write(t, filepath.Join(dir, filepath.FromSlash(file)), nil)
		}
	}
	services, problems, err := Read(root, nil, defaults)
	want := []Problem{{"services/wrong/service.yaml serves", `[0] is "Cart"; it must be one of wrong.S`}}
	if diff := cmp.Diff(want, problems); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
	got := map[string][]string{}
	for _, s := range services {
		for _, method := range s.Methods() {
			got[s.Name] = append(got[s.Name], string(method.FullName()))
		}
		for _, file := range s.Protos {
			got[s.Name] = append(got[s.Name], file.Path())
		}
	}
	if diff := cmp.Diff(map[string][]string{
		"cart": {"demo.Cart.Get", "types.proto", "demo.proto", "details.proto"}, "ads": {"demo.Ads.Get", "types.proto", "demo.proto", "details.proto"},
		"mail": {"demo.Mail.Get", "types.proto", "demo.proto", "details.proto"}, "wrong": {"wrong.S.Get", "wrong.proto"},
	}, got); diff != "" {
		t.Errorf("methods and files (-want +got):\n%s", diff)
	}
}

func TestNames(t *testing.T) {
	t.Parallel()
	for name, want := range map[string]string{
		"shop": "", "s": "", "users2": "", "my-shop": "", "x-1a": "", strings.Repeat("a", 40): "",
		"Shop": "lower case", "2shop": "lower case", "shop-": "lower case", "my_shop": "lower case", "my--shop": "single hyphens", strings.Repeat("a", 41): "40",
		"lifecycle": "the program that starts", "internal": "lets no other module import", "shop-canary": "second version",
		"default": "in every namespace", "default-deny": "network policy", "allow-dns": "network policy",
	} {
		err := CheckName(name)
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("CheckName(%q) = %v, want %q", name, err, want)
		}
	}
}

func TestRegistriesOfGoogle(t *testing.T) {
	t.Parallel()
	for reference, want := range map[string]bool{
		"us-central1-docker.pkg.dev/p/r/shop@sha256:0": true, "eu.gcr.io/p/shop@sha256:0": true, "gcr.io/p/shop@sha256:0": true,
		"registry.example/gcr.io/shop@sha256:0": false, "notgcr.io/p/shop@sha256:0": false,
	} {
		if got := OfGoogle(reference); got != want {
			t.Errorf("OfGoogle(%s) = %v", reference, got)
		}
	}
}

// TestNamesOfTwoFiles has two services declare one message, each at a path of its own.
func TestNamesOfTwoFiles(t *testing.T) {
	t.Parallel()
	root := repository(t, map[string]string{"cart": "", "shop": ""})
	for _, name := range []string{"cart", "shop"} {
		dir := filepath.Join(root, Dir, name)
		common := &descriptorpb.FileDescriptorProto{
			Name: proto.String(name + "/common.proto"), Package: proto.String("common"), Syntax: proto.String("proto3"),
			MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("Money")}},
		}
		writeDescriptor(t, dir, common, protoFile(name+".proto", name))
		write(t, filepath.Join(dir, name, "common.proto"), nil)
		write(t, filepath.Join(dir, name+".proto"), nil)
	}
	_, problems, err := Read(root, nil, defaults)
	want := []Problem{{"services/shop/service.yaml", "declares common.Money in shop/common.proto, as cart does in cart/common.proto, and reflection and REST know a name once; give one of them another package"}}
	if diff := cmp.Diff(want, problems); diff != "" || err != nil {
		t.Errorf("%v (-want +got):\n%s", err, diff)
	}
}
