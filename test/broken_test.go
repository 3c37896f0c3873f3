package test

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// failures lists the ways in which the test breaks a service: the commands that break it, what
// `make up` must say, and the commands that mend what is not in the stack's configuration.
var failures = []struct {
	name   string
	broken []string
	want   []string
	fixed  []string
}{
	{
		name:   "its program ends at start",
		broken: []string{set + "services.shop.environment.LEVEL loud"},
		want:   []string{"pod shop-", "exit code 3", `LEVEL is "loud"; it must be info`},
	},
	{
		name:   "it needs more memory than its limit",
		broken: []string{set + "services.shop.environment.LEVEL hungry"},
		want:   []string{"pod shop-", "exit code 137", "limit of 192Mi\n"},
	},
	{
		name:   "it never serves",
		broken: []string{set + "services.shop.environment.LEVEL asleep", set + "services.shop.startupSeconds 5"},
		want:   []string{"pod shop-", "nothing speaks gRPC on port 8080"},
		fixed:  []string{".cache/bin/sandbox pulumi -- config rm --path grpc-edge:services.shop.startupSeconds"},
	},
	{
		name:   "its image has no such program",
		broken: []string{set + "services.shop.environment.LEVEL info", set + "'services.recommendation.command[0]' /missing"},
		want:   []string{"pod recommendation-", "the program that ENTRYPOINT names is not in the image"},
		fixed:  []string{".cache/bin/sandbox pulumi -- config rm --path grpc-edge:services.recommendation.command"},
	},
	{
		name: "a policy of the cluster refuses its pods",
		broken: []string{
			"$KUBECTL apply --filename test/testdata/shop/refuse.yaml",
			// The API server takes a moment to know a policy.
			"timeout 60 sh -c \"until $KUBECTL --namespace default run shop-probe --image shop --dry-run=server 2>&1 | grep 'no pod of shop today'; do sleep 1; done\"",
			set + "services.shop.environment.ROUND policy",
		},
		want:  []string{"deployment shop", "no pod of shop today"},
		fixed: []string{"$KUBECTL delete --filename test/testdata/shop/refuse.yaml"},
	},
	{
		name:   "its image is not in the repository",
		broken: []string{set + "services.recommendation.image us-central1-docker.pkg.dev/sandbox-project/other/recommendation@sha256:" + strings.Repeat("0", 64)},
		want:   []string{"image of service recommendation", "the registry does not have it: push it first"},
		fixed:  []string{".cache/bin/sandbox pulumi -- config rm --path grpc-edge:services.recommendation.image"},
	},
}

// set is the command that sets a key of the sandbox's stack, without its path and value.
const set = ".cache/bin/sandbox pulumi -- config set --path grpc-edge:"

// breakServices breaks services in each of these ways, and checks what `make up` says. shop is
// called all the while.
func breakServices(ctx context.Context, t *testing.T, c checkout) {
	shell := func(t *testing.T, commands []string) {
		t.Helper()
		for _, command := range commands {
			if strings.Contains(command, "$KUBECTL") {
				command = withKubectl + command
			}
			c.must(ctx, t, "sh", "-c", command)
		}
	}
	calls := callShop(ctx, t, c)
	for _, f := range failures {
		t.Run(f.name, func(t *testing.T) {
			shell(t, f.broken)
			out, err := c.run(ctx, t, "sh", "-c", "make up 2>&1")
			if err == nil {
				t.Error("`make up` passes")
			}
			for _, want := range f.want {
				if !strings.Contains(out, want) {
					t.Errorf("`make up` does not say %q", want)
				}
			}
			shell(t, f.fixed)
		})
	}
	c.must(ctx, t, "make", "up")
	calls.mustNotFail(t)
}

// noPlainSecret checks that a secret of the stack is in none of the files that could hold it.
func noPlainSecret(t *testing.T, c checkout, secret string) {
	t.Helper()
	for _, file := range []string{"Pulumi.sandbox.yaml", ".sandbox/Pulumi.sandbox.yaml", ".sandbox/pulumi/.pulumi/stacks/grpc-edge/sandbox.json", ".sandbox/log/pulumi-up.log"} {
		content, err := os.ReadFile(filepath.Join(c.dir, file))
		if err != nil || strings.Contains(string(content), secret) {
			t.Errorf("%s holds a secret in plain text (%v)", file, err)
		}
	}
}
