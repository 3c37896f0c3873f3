package main

import (
	"encoding/base64"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"example.com/grpc-edge/infra/config"
	"example.com/grpc-edge/services/catalog"
)

// foreign is the reference of the image of a service that is built elsewhere; see
// pushForeign.
var foreign string

// pushForeign pushes an image that follows the contract to the tests' registry, and returns
// its reference.
func pushForeign() (string, error) {
	config := &v1.ConfigFile{OS: "linux", Architecture: "amd64", Config: v1.Config{User: "65532:65532", Entrypoint: []string{"/app/shop"}}}
	image, err := mutate.ConfigFile(empty.Image, config)
	if err != nil {
		return "", err
	}
	digest, err := image.Digest()
	if err != nil {
		return "", err
	}
	reference, err := name.NewDigest("us-central1-docker.pkg.dev/sandbox-project/team/shop@" + digest.String())
	if err != nil {
		return "", err
	}
	return reference.String(), remote.Write(reference, image)
}

// withServices returns a repository that has more services than echo and reverse, each
// with these needs, an image of its own and the gRPC service NAME.v1.Service.
func withServices(t *testing.T, specs map[string]string) string {
	t.Helper()
	root := repository(t)
	for service, spec := range specs {
		writeService(t, root, service, spec, protoFile(service, "Service"))
	}
	return root
}

// protoFile describes the file NAME.proto with these gRPC services in the package NAME.v1.
func protoFile(name string, services ...string) *descriptorpb.FileDescriptorProto {
	file := &descriptorpb.FileDescriptorProto{
		Name: proto.String(name + ".proto"), Package: proto.String(name + ".v1"), Syntax: proto.String("proto3"),
		MessageType: []*descriptorpb.DescriptorProto{{Name: proto.String("M")}},
	}
	message := proto.String("." + name + ".v1.M")
	for _, service := range services {
		file.Service = append(file.Service, &descriptorpb.ServiceDescriptorProto{Name: &service, Method: []*descriptorpb.MethodDescriptorProto{
			{Name: proto.String("Get"), InputType: message, OutputType: message},
		}})
	}
	return file
}

// writeService writes the folder of a service whose image is built elsewhere.
func writeService(t *testing.T, root, service, spec string, file *descriptorpb.FileDescriptorProto) {
	t.Helper()
	descriptors, err := proto.Marshal(&descriptorpb.FileDescriptorSet{File: []*descriptorpb.FileDescriptorProto{file}})
	if err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(root, catalog.Dir, service)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{
		catalog.SpecFile: []byte("image: " + foreign + "\n" + spec), catalog.DescriptorFile: descriptors, file.GetName(): nil, "prices.json": []byte("{}"),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// shop declares two services: shop needs everything that a service can ask for, and stock
// is private.
var shop = map[string]string{
	"shop": `
args: [serve, --verbose]
cpu: 250m
cpuLimit: "1"
memory: 256Mi
memoryLimit: 1Gi
replicas: 3
startupSeconds: 300
terminationSeconds: 60
environment: {LEVEL: info}
files: {/etc/shop/prices.json: prices.json}
secrets:
  KEY: {}
  PIN: {version: pin/3, file: /etc/shop/pin}
scratch: {/tmp: 64Mi}
roles:
  - roles/pubsub.publisher
  - {role: roles/storage.objectViewer, condition: 'resource.name.startsWith("projects/_/buckets/b/")'}
googleApis: true
internet: true
calls: [stock]
egress: [{cidr: 10.40.0.0/24, ports: [5432, 6432]}]
`,
	"stock": "private: true\ngoogleApis: true\n",
}

func runShop(t *testing.T, changes map[string]string) stackRun {
	t.Helper()
	all := map[string]string{
		"grpc-edge:nat":      "true",
		"grpc-edge:services": `{"shop": {"secrets": {"KEY": {"value": "opensesame"}}}}`,
	}
	for key, value := range changes {
		all[key] = value
	}
	result, err := runIn(t, withServices(t, shop), "sandbox", false, all)
	if err != nil {
		t.Fatal(err)
	}
	return result
}

func TestServiceHasWhatItNeeds(t *testing.T) {
	result := runShop(t, nil)
	if got := plain(at(result.outputs, "images.shop")); got != foreign {
		t.Errorf("the output images has %v for shop, want %s: promotions compare it", got, foreign)
	}
	const container = "spec.template.spec.containers[0]."
	deployment := result.named(t, deploymentType, "shop")
	check(t, deployment, map[string]any{
		"spec.replicas": 3.0,
		"spec.template.spec.terminationGracePeriodSeconds": 60.0,
		container + "image":                                  foreign,
		container + "command":                                nil,
		container + "args":                                   []any{"serve", "--verbose"},
		container + "resources.requests":                     map[string]any{"cpu": "250m", "memory": "256Mi", "ephemeral-storage": "131072Ki"},
		container + "resources.limits":                       map[string]any{"cpu": "1", "memory": "1Gi"},
		container + "startupProbe.failureThreshold":          300.0,
		container + "securityContext.readOnlyRootFilesystem": true,
	})
	variables := map[string]any{}
	for _, item := range at(deployment.Inputs, container+"env").ArrayValue() {
		variable := plain(item).(map[string]any)
		variables[variable["name"].(string)] = variable["value"]
	}
	want := map[string]any{
		"PORT": "8080", "MAX_CALLS": "80", "TERMINATION_BUDGET": "55s", "GOMEMLIMIT": "921MiB", "LEVEL": "info",
		"STOCK_TARGET": "dns:///stock.grpc-edge.svc.cluster.local.:8080", "KEY": nil,
	}
	if diff := cmp.Diff(want, variables); diff != "" {
		t.Errorf("variables (-want +got):\n%s", diff)
	}
	var mounted []string
	for _, item := range at(deployment.Inputs, container+"volumeMounts").ArrayValue() {
		mount := plain(item).(map[string]any)
		mounted = append(mounted, fmt.Sprint(mount["mountPath"], " ", mount["name"], " ", mount["subPath"], " ", mount["readOnly"]))
	}
	wantMounts := []string{
		"/etc/shop/prices.json files etc_-shop_-prices.json true", "/etc/shop/pin secrets PIN true", "/tmp scratch-0 <nil> <nil>",
	}
	if diff := cmp.Diff(wantMounts, mounted); diff != "" {
		t.Errorf("mounts (-want +got):\n%s", diff)
	}
}

func TestServiceHasItsCommand(t *testing.T) {
	result := runShop(t, map[string]string{
		"grpc-edge:services": `{"shop": {"command": ["/bin/shop"], "args": [], "secrets": {"KEY": {"value": "x"}}}}`,
	})
	check(t, result.named(t, deploymentType, "shop"), map[string]any{
		"spec.template.spec.containers[0].command": []any{"/bin/shop"}, "spec.template.spec.containers[0].args": nil,
	})
}

// TestSecretsOfServices checks that values of secrets are nowhere in plain text, and only in one
// Secret of this service.
func TestSecretsOfServices(t *testing.T) {
	result := runShop(t, nil)
	secret := result.named(t, secretType, "shop")
	check(t, secret, map[string]any{"immutable": true, "data": "(secret)", "metadata.name": nil})
	for _, r := range result.resources {
		if text := fmt.Sprint(plain(at(r.Inputs, "data")), plain(at(r.Inputs, "spec"))); strings.Contains(text, "opensesame") {
			t.Errorf("%s %s holds a secret in the clear", r.Type, r.Name)
		}
		if r.Type == secretType && r.Name != "shop" && r.Name != "edge-certificate" {
			t.Errorf("the Secret %s is nobody's", r.Name)
		}
	}
}

// TestSlowServicesHaveTimeToStart checks that Kubernetes and Pulumi give a slow service time to
// start. Pulumi allows it twice, as half of the pods start after the others.
func TestSlowServicesHaveTimeToStart(t *testing.T) {
	result := runShop(t, map[string]string{
		"grpc-edge:services": `{"shop": {"startupSeconds": 3600, "minReadySeconds": 20, "secrets": {"KEY": {"value": "x"}}}}`,
	})
	deployment := result.named(t, deploymentType, "shop")
	check(t, deployment, map[string]any{"spec.progressDeadlineSeconds": 600.0 + 3600 + 20})
	if got := deployment.UpdateTimeout; got != "2h11m0s" {
		t.Errorf("Pulumi waits %s, want 10 minutes, twice the hour, and 20 s for each of 3 pods", got)
	}
}

// TestTelemetry checks which variables of OpenTelemetry pods get, and that a service can set its own.
func TestTelemetry(t *testing.T) {
	t.Parallel()
	root := withServices(t, map[string]string{
		"shop":  "",
		"stock": "environment: {OTEL_EXPORTER_OTLP_ENDPOINT: 'https://otel.example.com', OTEL_EXPORTER_OTLP_PROTOCOL: http/protobuf}",
		"depot": "secrets: {OTEL_EXPORTER_OTLP_ENDPOINT: {version: otel/1}, OTEL_SERVICE_NAME: {version: otel/1, file: /etc/depot/name}}",
	})
	result, err := runIn(t, root, "sandbox", false, map[string]string{
		"grpc-edge:otlpEndpoint": "http://collector.telemetry:4317", "grpc-edge:nat": "true",
	})
	if err != nil {
		t.Fatal(err)
	}
	const endpoint, protocol, name = "OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_SERVICE_NAME"
	for service, want := range map[string]map[string]string{
		"shop":  {endpoint: "http://collector.telemetry:4317", protocol: "grpc", name: "shop"},
		"stock": {endpoint: "https://otel.example.com", protocol: "http/protobuf", name: "stock"},
		"depot": {endpoint: "a secret", protocol: "grpc", name: "depot"},
	} {
		got := map[string]string{}
		variables, _ := plain(at(result.named(t, deploymentType, service).Inputs, "spec.template.spec.containers[0].env")).([]any)
		for _, item := range variables {
			variable := item.(map[string]any)
			name := variable["name"].(string)
			if !strings.HasPrefix(name, "OTEL_") {
				continue
			}
			if _, twice := got[name]; twice {
				t.Errorf("%s has %s twice", service, name)
			}
			value, isPlain := variable["value"].(string)
			if !isPlain {
				value = "a secret"
			}
			got[name] = value
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", service, diff)
		}
	}
}

// TestNamesOfThePlatformAreReserved checks that no service can have the name of an object of the
// platform's own, where services have objects of the kind. Kubernetes itself makes one of these,
// the service account default.
func TestNamesOfThePlatformAreReserved(t *testing.T) {
	kinds, own := map[string]bool{}, map[string]bool{"kubernetes:core/v1:ServiceAccount default": true}
	services := []string{"echo", "reverse", "shop", "stock"}
	results := []stackRun{
		runShop(t, map[string]string{"grpc-edge:reflection": "true", "grpc-edge:otlpEndpoint": "http://collector.telemetry:4317"}),
		mustRun(t, "sandbox", false, withCertManager),
	}
	for _, result := range results {
		for _, r := range result.resources {
			name, _ := plain(at(r.Inputs, "metadata.name")).(string)
			if slices.Contains(services, name) {
				kinds[r.Type] = true
			} else if name != "" {
				own[r.Type+" "+name] = true
			}
		}
	}
	checked := 0
	for object := range own {
		kind, name, _ := strings.Cut(object, " ")
		if !kinds[kind] {
			continue
		}
		checked++
		if catalog.CheckName(name) == nil {
			t.Errorf("a service may have the name of %s", object)
		}
	}
	if !kinds["kubernetes:networking.k8s.io/v1:NetworkPolicy"] || checked < 10 {
		t.Errorf("only %d objects were checked, of %v", checked, kinds)
	}
}

// TestRolesOfServices checks that roles are granted to the pods' own principal, and the pods
// depend on them.
func TestRolesOfServices(t *testing.T) {
	const member = "principal://iam.googleapis.com/projects/" + projectNumber +
		"/locations/global/workloadIdentityPools/sandbox-project.svc.id.goog/subject/ns/grpc-edge/sa/shop--sandbox"
	result := runShop(t, nil)
	const kind = "gcp:projects/iAMMember:IAMMember"
	check(t, result.named(t, kind, "shop--sandbox/roles/pubsub.publisher"), map[string]any{"role": "roles/pubsub.publisher", "member": member, "condition": nil})
	check(t, result.named(t, kind, "shop--sandbox/roles/storage.objectViewer/747830964f"), map[string]any{
		"role": "roles/storage.objectViewer", "member": member,
		"condition.expression": `resource.name.startsWith("projects/_/buckets/b/")`,
	})
	if depends := result.named(t, deploymentType, "shop").DependsOn; !slices.Contains(depends, kind+" shop--sandbox/roles/pubsub.publisher") {
		t.Errorf("the pods do not wait for their roles: %v", depends)
	}
	const provider = "pulumi:providers:kubernetes cluster"
	if depends := result.named(t, kind, "shop--sandbox/roles/pubsub.publisher").DependsOn; !slices.Contains(depends, provider) {
		t.Errorf("a role does not wait for the cluster, which makes the pool of its principal: %v", depends)
	}
	for _, r := range result.ofType(t, kind) {
		if strings.Contains(fmt.Sprint(plain(r.Inputs["member"])), "/sa/") && !strings.HasPrefix(r.Name, "shop--sandbox/") {
			t.Errorf("%s gives a role to a service that asked for none", r.Name)
		}
	}
}

// TestRolesOfServicesKeepTheirNames checks that a role keeps its name in the state whatever else
// the list has. A replacement under another name would revoke it, since it is the same binding of
// the project.
func TestRolesOfServicesKeepTheirNames(t *testing.T) {
	const a, b, conditional = `"roles/a"`, `"roles/b"`, `{"role": "roles/b", "condition": "true"}`
	granted := func(roles ...string) map[string]string {
		result := runShop(t, map[string]string{"grpc-edge:services": fmt.Sprintf(
			`{"shop": {"roles": [%s], "secrets": {"KEY": {"value": "x"}}}}`, strings.Join(roles, ", "))})
		names := map[string]string{}
		for _, r := range result.ofType(t, "gcp:projects/iAMMember:IAMMember") {
			binding := fmt.Sprint(plain(r.Inputs["role"]), " ", plain(r.Inputs["member"]), " ", plain(r.Inputs["condition"]))
			names[binding] = r.Name
		}
		return names
	}
	all := granted(a, b, conditional)
	if names := fmt.Sprint(slices.Collect(maps.Values(all))); strings.Count(names, "shop--sandbox/roles/") != 3 {
		t.Errorf("the bindings are %s, want three of the service's roles", names)
	}
	for _, roles := range [][]string{{b}, {conditional}, {conditional, a}, {b, a, conditional}} {
		for binding, name := range granted(roles...) {
			if name != all[binding] {
				t.Errorf("with the roles %v, %s is called %s, and %q among all", roles, binding, name, all[binding])
			}
		}
	}
}

// TestWaysOfServices checks that network policies allow what a service asks for, both ways, and
// nothing else.
func TestWaysOfServices(t *testing.T) {
	result := runShop(t, map[string]string{"grpc-edge:reflection": "true"})
	got := map[string][]string{}
	for _, r := range result.ofType(t, "kubernetes:networking.k8s.io/v1:NetworkPolicy") {
		if r.Name != "shop" && r.Name != "stock" {
			continue
		}
		for direction, peers := range map[string]string{"ingress": "from", "egress": "to"} {
			for i := range listLength(at(r.Inputs, "spec."+direction)) {
				rule := fmt.Sprintf("spec.%s[%d].", direction, i)
				got[r.Name] = append(got[r.Name], fmt.Sprint(peers, " ", names(at(r.Inputs, rule+peers)), " ", ports(r, rule)))
			}
		}
		slices.Sort(got[r.Name])
	}
	want := map[string][]string{
		"shop": {
			"from [directory envoy] [8080]",
			"to [0.0.0.0/0 10.0.0.0/8 100.64.0.0/10 169.254.0.0/16 172.16.0.0/12 192.168.0.0/16] []",
			"to [10.40.0.0/24] [5432 6432]",
			"to [169.254.169.252/32] [988]",
			"to [169.254.169.254/32] [80]",
			"to [199.36.153.8/30] [443]",
			"to [stock] [8080]",
		},
		"stock": { // neither the edge nor the directory; its principal may have roles that the stack does not grant
			"from [shop] [8080]",
			"to [169.254.169.252/32] [988]",
			"to [169.254.169.254/32] [80]",
			"to [199.36.153.8/30] [443]",
		},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("ways (-want +got):\n%s", diff)
	}
	check(t, result.named(t, "gcp:dns/recordSet:RecordSet", "network-googleapis-A"), map[string]any{
		"name": "private.googleapis.com.", "rrdatas": []any{"199.36.153.8", "199.36.153.9", "199.36.153.10", "199.36.153.11"},
	})
}

// ports lists the ports of a rule.
func ports(r registered, rule string) []int {
	list := []int{}
	for i := range listLength(at(r.Inputs, rule+"ports")) {
		list = append(list, int(at(r.Inputs, fmt.Sprintf("%sports[%d].port", rule, i)).NumberValue()))
	}
	return list
}

// TestPrivateServicesHaveNoPlaceAtTheEdge checks that no ConfigMap and no printed command names a
// private service.
func TestPrivateServicesHaveNoPlaceAtTheEdge(t *testing.T) {
	result := runShop(t, nil)
	for _, r := range result.resources {
		if text := fmt.Sprint(plain(at(r.Inputs, "data"))); r.Type == configMapType && strings.Contains(text, "stock") {
			t.Errorf("ConfigMap %s names the private service", r.Name)
		}
	}
	commands := fmt.Sprint(plain(result.outputs["grpcurl"]))
	if strings.Contains(commands, "stock.v1") || !strings.Contains(commands, "shop.v1.Service/Get") {
		t.Errorf("the commands are %s, want those of public services", commands)
	}
}

// TestZonesRollTheServicesFirst checks that pods of an older Kubernetes are replaced before Envoy
// looks for pods in zones: pods get the label of their zone only when they are bound to a node.
func TestZonesRollTheServicesFirst(t *testing.T) {
	const annotation = `spec.template.metadata.annotations["grpc-edge/zones"]`
	for aware, want := range map[string]any{"true": "by-label", "false": nil} {
		result := mustRun(t, "sandbox", false, map[string]string{
			"grpc-edge:clusterLocation": "", "grpc-edge:zoneAware": aware, "grpc-edge:nodeZones": `["us-central1-a","us-central1-b"]`,
		})
		edge := result.named(t, deploymentType, "edge")
		for _, name := range []string{"echo", "reverse"} {
			check(t, result.named(t, deploymentType, name), map[string]any{annotation: want})
			if waits := slices.Contains(edge.DependsOn, deploymentType+" "+name); waits != (want != nil) {
				t.Errorf("zoneAware: %s: the edge depends on %s: %t", aware, name, waits)
			}
		}
	}
}

// TestServicesAddAPIs checks that a version in Secret Manager needs its API, and that a service
// that asks for nothing needs none.
func TestServicesAddAPIs(t *testing.T) {
	const kind = "gcp:projects/service:Service"
	enabled := func(result stackRun) []string {
		var list []string
		for _, r := range result.ofType(t, kind) {
			if api := fmt.Sprint(plain(r.Inputs["service"])); api == "dns.googleapis.com" || api == "secretmanager.googleapis.com" {
				list = append(list, api)
			}
		}
		slices.Sort(list)
		return list
	}
	if got := enabled(runShop(t, nil)); !slices.Equal(got, []string{"dns.googleapis.com", "secretmanager.googleapis.com"}) {
		t.Errorf("the APIs are %v", got)
	}
	if got := enabled(mustRun(t, "sandbox", false, nil)); len(got) > 0 {
		t.Errorf("without such services the APIs are %v", got)
	}
}

// TestOneProtoOfSeveralServices checks that services with one proto have a backend each for what
// they serve of it, and the edge shows no gRPC service that none of them serves.
func TestOneProtoOfSeveralServices(t *testing.T) {
	root := repository(t)
	for folder, service := range map[string]string{"cart": "Cart", "ads": "Ads", "mail": "Mail"} {
		writeService(t, root, folder, "serves: [demo.v1."+service+"]\n", protoFile("demo", "Cart", "Ads", "Mail", "Abroad"))
	}
	result, err := runIn(t, root, "sandbox", false, map[string]string{"grpc-edge:reflection": "false"})
	if err != nil {
		t.Fatal(err)
	}
	targets := fmt.Sprint(plain(at(result.named(t, deploymentType, "directory").Inputs, "spec.template.spec.containers[0].env")))
	commands := fmt.Sprint(plain(result.outputs["grpcurl"]))
	for folder, service := range map[string]string{"cart": "Cart", "ads": "Ads", "mail": "Mail"} {
		if !strings.Contains(targets, "demo.v1."+service+"=dns:///"+folder+".") || !strings.Contains(commands, "demo.v1."+service+"/Get") {
			t.Errorf("%s has no target or command:\n%s\n%s", service, targets, commands)
		}
	}
	set := &descriptorpb.FileDescriptorSet{}
	content, err := base64.StdEncoding.DecodeString(plain(result.outputs["protoset"]).(string))
	if err != nil || proto.Unmarshal(content, set) != nil {
		t.Fatal(err)
	}
	var shown []string
	for _, file := range set.GetFile() {
		for _, service := range file.GetService() {
			shown = append(shown, file.GetPackage()+"."+service.GetName())
		}
	}
	slices.Sort(shown)
	if diff := cmp.Diff([]string{"api.Echo", "api.Reverse", "demo.v1.Ads", "demo.v1.Cart", "demo.v1.Mail"}, shown); diff != "" {
		t.Errorf("the descriptors show (-want +got):\n%s", diff)
	}
	if strings.Contains(targets+commands, "Abroad") {
		t.Errorf("a gRPC service that nobody serves has a target or a command:\n%s\n%s", targets, commands)
	}
}

// TestDirectoryByKey checks that health and reflection are routed by themselves, and the directory
// runs for either.
func TestDirectoryByKey(t *testing.T) {
	t.Parallel()
	const health, reflection = "grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection"
	for _, test := range []struct {
		keys config.Edge
		want []string
	}{
		{config.Edge{}, nil},
		{config.Edge{Health: true}, []string{health}},
		{config.Edge{Reflection: true}, []string{reflection, "grpc.reflection.v1alpha.ServerReflection"}},
	} {
		keys, want := test.keys, test.want
		var got []string
		for _, s := range directoryBackend(keys).Services {
			got = append(got, string(s.FullName()))
		}
		if !slices.Equal(got, want) || keys.Directory() != (want != nil) {
			t.Errorf("reflection %v, health %v: the directory serves %q (runs: %v), want %q", keys.Reflection, keys.Health, got, keys.Directory(), want)
		}
	}
}
