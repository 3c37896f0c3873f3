package test

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	healthpb "google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"sigs.k8s.io/yaml"

	"example.com/grpc-edge/internal/stackfile"
	echo "example.com/grpc-edge/services/echo/api"
)

// TestProduction creates, changes and destroys a stack with the configuration of production:
// regional, in three zones, protected, with a key of its own.
func TestProduction(t *testing.T) {
	ctx := t.Context()
	c := newCheckout(t)
	c.removeAtEnd(t)
	writeConfig(t, c, true)
	runSteps(t, []step{
		{"make up brings it up in three zones", func(t *testing.T) { spreadOverZones(ctx, t, c) }},
		{"each name has its record, and is served", func(t *testing.T) { callByEachName(ctx, t, c) }},
		{"health answers without reflection", func(t *testing.T) { checkHealth(ctx, t, c) }},
		{"preview shows no change", func(t *testing.T) { expectNoChanges(ctx, t, c, "preview") }},
		{"refresh shows no change", func(t *testing.T) { expectNoChanges(ctx, t, c, "refresh", "--yes", "--skip-preview") }},
		{"the cluster refuses what the deployer has not signed", func(t *testing.T) { refuseUnsigned(ctx, t, c) }},
		{"refresh sees what was changed by hand, and up mends it", func(t *testing.T) { mendDrift(ctx, t, c) }},
		{"destroy is refused, and nothing is deleted", func(t *testing.T) { refuseDestroy(ctx, t, c) }},
		{"without protection it is destroyed, and nothing is left", func(t *testing.T) {
			writeConfig(t, c, false)
			c.must(ctx, t, "make", "up")
			c.must(ctx, t, "make", "down")
		}},
	})
}

// sandboxOnly holds the keys in which this stack differs from production: the sandbox's
// project, networks and keys, the names that the test calls, no reflection, and
// serviceMinReadySeconds. It is 10 because the sandbox's DNS answers have a TTL of 5 s.
var sandboxOnly = map[string]any{
	"gcp:project":                      "sandbox-project",
	"grpc-edge:authorizedNetworks":     []string{"127.0.0.1/32"},
	"grpc-edge:kmsKey":                 "projects/sandbox-project/locations/us-central1/keyRings/grpc-edge/cryptoKeys/grpc-edge",
	"grpc-edge:signingKey":             "projects/sandbox-project/locations/us-central1/keyRings/pulumi/cryptoKeys/prod-images/cryptoKeyVersions/1",
	"grpc-edge:serviceMinReadySeconds": 10,
	"grpc-edge:reflection":             false,
	"grpc-edge:authorities":            []string{"grpc.example.com", "partners.example.com"},
	"grpc-edge:dnsZone":                "projects/dns-project/managedZones/example-com",
	"grpc-edge:rules":                  []map[string]any{{"service": "api.Reverse", "authority": "grpc.example.com"}},
}

// writeConfig writes the config of Pulumi.prod.yaml to the sandbox's stack.
func writeConfig(t *testing.T, c checkout, protection bool) {
	t.Helper()
	production, err := stackfile.Read(c.dir, "prod")
	if err != nil {
		t.Fatal(err)
	}
	config := production.Config()
	maps.Copy(config, sandboxOnly)
	config["grpc-edge:deletionProtection"] = protection
	content, err := yaml.Marshal(map[string]any{stackfile.Config: config})
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(c.dir, stackfile.Name("sandbox")), content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// callByEachName checks the records in a zone of another project. It calls by both names,
// which share a certificate. One service has a rule for one name only.
func callByEachName(ctx context.Context, t *testing.T, c checkout) {
	e := outputs(ctx, t, c)
	objects := strings.Fields(c.must(ctx, t, ".cache/bin/sandbox", "objects"))
	for name, reverse := range map[string]int{"grpc.example.com": 200, "partners.example.com": 421} {
		record := "//dns.googleapis.com/projects/dns-project/managedZones/example-com/rrsets/" + name + "./A"
		if !slices.Contains(objects, record) {
			t.Errorf("there is no %s among %q", record, objects)
		}
		e.Authority = name
		for path, want := range map[string]int{"/v1/echo": 200, "/v1/reverse": reverse} {
			if status, got := post(t, e, path, `{"content": "hello"}`); status != want {
				t.Errorf("POST %s by %s = %d %s, want %d", path, name, status, got, want)
			}
		}
	}
}

// checkHealth asks for the health of services on a stack that answers no reflection.
func checkHealth(ctx context.Context, t *testing.T, c checkout) {
	e := outputs(ctx, t, c)
	e.Authority = "grpc.example.com"
	client := healthpb.NewHealthClient(e.dial(t, e.verified(t)))
	for _, service := range []string{"", "api.Echo", "api.Reverse"} {
		reply, err := client.Check(ctx, &healthpb.HealthCheckRequest{Service: service})
		if err != nil || reply.Status != healthpb.HealthCheckResponse_SERVING {
			t.Errorf("the health of %q = %v, %v, want SERVING", service, reply, err)
		}
	}
	flags := []string{"-cacert", ".sandbox/ca.pem", "-authority", e.Authority, e.Address + ":443", "list"}
	if out, err := c.run(ctx, t, ".cache/bin/grpcurl", flags...); err == nil {
		t.Errorf("reflection answers: %s", out)
	}
}

// kubectl runs kubectl on the sandbox's cluster.
func kubectl(ctx context.Context, t *testing.T, c checkout, args string) string {
	t.Helper()
	return c.must(ctx, t, "sh", "-c", withKubectl+"$KUBECTL "+args)
}

// withKubectl comes before a shell command that runs $KUBECTL, which is kubectl in the stack's
// namespace.
const withKubectl = `eval "$(make kubeconfig)" && KUBECTL=".cache/bin/kubectl --namespace grpc-edge" && `

func spreadOverZones(ctx context.Context, t *testing.T, c checkout) {
	c.must(ctx, t, "make", "up")
	zones := strings.Fields(kubectl(ctx, t, c, `get nodes --output jsonpath='{.items[*].metadata.labels.topology\.kubernetes\.io/zone}'`))
	slices.Sort(zones)
	if want := []string{"us-central1-a", "us-central1-b", "us-central1-c"}; !slices.Equal(zones, want) {
		t.Errorf("the nodes are in zones %v, want one in each of %v", zones, want)
	}
	for _, app := range []string{"envoy", "echo", "reverse"} {
		// The autoscaler raises the number of pods to its minimum every 15 s.
		eventually(ctx, t, 2*time.Minute, func() error {
			nodes := strings.Fields(kubectl(ctx, t, c, `get pods --field-selector status.phase=Running --selector app.kubernetes.io/name=`+app+` --output jsonpath='{.items[*].spec.nodeName}'`))
			slices.Sort(nodes)
			if len(nodes) != 3 || len(slices.Compact(nodes)) != 3 {
				return fmt.Errorf("the pods of %s are on nodes %v, want one on each of three", app, nodes)
			}
			return nil
		})
	}
}

// refuseUnsigned tries to run images of the stack's own repository. Signed images run. Others
// are refused before a node pulls them, except with the break-glass label.
func refuseUnsigned(ctx context.Context, t *testing.T, c checkout) {
	signed := kubectl(ctx, t, c, `get deployment echo --output jsonpath='{.spec.template.spec.containers[0].image}'`)
	repository, _, _ := strings.Cut(signed, "@")
	unsigned := repository + "@sha256:" + strings.Repeat("0", 64)
	const by = `admission webhook "imagepolicywebhook.image-policy.k8s.io" denied the request: `
	const attestor = " denied by attestor projects/sandbox-project/attestors/grpc-edge-sandbox: "
	tests := []struct{ name, image, label, want string }{
		{"signed", signed, "false", ""},
		{"unsigned", unsigned, "false", by + "Image " + unsigned + " denied by Binary Authorization default admission rule. Image " + unsigned + attestor + "No attestations found"},
		{"tagged", repository + ":latest", "false", attestor + "Expected digest with sha256 scheme"},
		{"glass", unsigned, "true", ""},
	}
	for _, test := range tests {
		out, err := c.run(ctx, t, "sh", "-c", `eval "$(make kubeconfig)" && .cache/bin/kubectl --namespace default run `+test.name+
			` --image=`+test.image+` --labels=image-policy.k8s.io/break-glass=`+test.label+` 2>&1`)
		if (err == nil) != (test.want == "") || !strings.Contains(out, test.want) {
			t.Errorf("%s: %v, want %q in %s", test.name, err, test.want, out)
		}
	}
	kubectl(ctx, t, c, `--namespace default delete pods --all --now`)
}

// mendDrift changes the cluster behind Pulumi's back, as a person at a console might. Refresh
// must show the changes, and up must revert them.
func mendDrift(ctx context.Context, t *testing.T, c checkout) {
	const image = `get deployment echo --output jsonpath='{.spec.template.spec.containers[0].image}'`
	before := kubectl(ctx, t, c, image)
	kubectl(ctx, t, c, `delete poddisruptionbudget envoy`)
	kubectl(ctx, t, c, `set image deployment/echo echo=`+strings.SplitN(before, "@", 2)[0]+`@sha256:`+strings.Repeat("0", 64))

	out, err := c.pulumi(ctx, t, "refresh", "--preview-only", "--expect-no-changes", "--diff", "--stack", "sandbox")
	if err == nil || !strings.Contains(out, "Deployment::echo") || !strings.Contains(out, "PodDisruptionBudget::edge") {
		t.Errorf("refresh: %v, want an error, and both changes shown", err)
	}
	if _, err := c.pulumi(ctx, t, "up", "--refresh", "--yes", "--skip-preview", "--suppress-outputs", "--stack", "sandbox"); err != nil {
		t.Fatal(err)
	}
	expectNoChanges(ctx, t, c, "preview", "--refresh")
	if after := kubectl(ctx, t, c, image); after != before {
		t.Errorf("the image of echo is %s, want %s", after, before)
	}
}

func refuseDestroy(ctx context.Context, t *testing.T, c checkout) {
	e, old := outputs(ctx, t, c), pods(ctx, t, c)
	out, err := c.pulumi(ctx, t, "destroy", "--yes", "--skip-preview", "--stack", "sandbox")
	if err == nil || !strings.Contains(out, "deletionProtection") || !strings.Contains(out, "cannot be deleted") {
		t.Errorf("destroy: %v, want to be told what protects the stack", err)
	}
	if now := pods(ctx, t, c); !slices.Equal(old, now) {
		t.Errorf("pods before: %v\nafter: %v", old, now)
	}
	_, err = echo.NewEchoClient(e.dial(t, e.verified(t))).Echo(ctx, &echo.EchoRequest{Content: "x"})
	if status.Code(err) != codes.OK {
		t.Errorf("a call after the attempt: %v", err)
	}
}
