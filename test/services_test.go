package test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	echo "example.com/grpc-edge/services/echo/api"
	"example.com/grpc-edge/test/foreign"
)

// TestServices adds, changes, breaks and removes services that others might have written. shop
// has two protos and needs everything that a service may ask for. stock is private, and shop
// calls it. recommendation is in Python, and is served by a host name of its own.
func TestServices(t *testing.T) {
	ctx := t.Context()
	c := newCheckout(t)
	c.removeAtEnd(t)
	runSteps(t, []step{
		{"services are added", func(t *testing.T) { addShop(ctx, t, c) }},
		{"make up brings them up", func(t *testing.T) { c.must(ctx, t, "make", "up") }},
		{"a service has what it needs, and no more", func(t *testing.T) {
			checkShop(ctx, t, c, map[string]string{"level": "info", "pin": "1234", "key": "none"})
		}},
		{"a private service is known only to who calls it", func(t *testing.T) { checkStockIsPrivate(ctx, t, c) }},
		{"an image in another language is a service", func(t *testing.T) { addRecommendation(ctx, t, c) }},
		{"a secret of the stack rolls its service alone", func(t *testing.T) { addKey(ctx, t, c) }},
		{"new pods of the private service are found, and a rollout in another language fails no call", func(t *testing.T) { scaleStock(ctx, t, c) }},
		{"a rollout of the private service fails no call", func(t *testing.T) { rollStock(ctx, t, c) }},
		{"a crash at start is told, and costs no call", func(t *testing.T) { breakShop(ctx, t, c) }},
		{"preview and refresh show no change", func(t *testing.T) {
			expectNoChanges(ctx, t, c, "preview")
			expectNoChanges(ctx, t, c, "refresh", "--yes", "--skip-preview")
		}},
		{"services are removed by a command", func(t *testing.T) { removeShop(ctx, t, c) }},
	})
}

// addShop adds the services by the commands of docs/services.md.
func addShop(ctx context.Context, t *testing.T, c checkout) {
	c.must(ctx, t, "make", "service", "NAME=stock")
	c.must(ctx, t, "make", "service", "NAME=shop")
	for from, to := range map[string]string{"handlers.go.txt": "handlers.go", "service.yaml": "service.yaml", "catalog.proto": "shop/v1/catalog.proto"} {
		content, err := os.ReadFile(filepath.Join("testdata", "shop", from))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(c.dir, "services", "shop", to), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for file, content := range map[string]string{"services/shop/prices.json": `{"tea":3}`, "services/stock/service.yaml": "private: true\n"} {
		if err := os.WriteFile(filepath.Join(c.dir, file), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	c.must(ctx, t, "make", "service-calls", "NAME=shop", "CALLS=stock")
	const register = "shopv1.RegisterShopServiceServer(server, handlers{})"
	c.edit(t, "services/shop/main.go", register, register+"\n\t\tshopv1.RegisterCatalogServiceServer(server, catalog{})")
	c.must(ctx, t, "make", "generate")
	c.edit(t, "Pulumi.sandbox.yaml", "    - grpc.example.com\n", "    - grpc.example.com\n    - shop.example.com\n")
	appendTo(t, c, "Pulumi.sandbox.yaml", "\n  grpc-edge:services: {shop: {replicas: 1}}\n")
	for secret, value := range map[string]string{"pin": "1234", "other": "none of yours"} {
		c.must(ctx, t, "sh", "-c", "printf '"+value+"' | .cache/bin/sandbox secret "+secret)
	}
}

// askShop calls shop, and returns what shop finds in its pod.
func askShop(ctx context.Context, t *testing.T, c checkout) map[string]string {
	t.Helper()
	text := grpcurl(ctx, t, c, `{"content": "cloud"}`, "shop.v1.ShopService/Say")
	var reply struct{ Content string }
	if err := json.Unmarshal([]byte(text), &reply); err != nil {
		t.Fatalf("shop answers %s: %v", text, err)
	}
	found := map[string]string{}
	if err := json.Unmarshal([]byte(reply.Content), &found); err != nil {
		t.Fatalf("shop answers %s: %v", reply.Content, err)
	}
	return found
}

func checkShop(ctx context.Context, t *testing.T, c checkout, varying map[string]string) {
	t.Helper()
	want := map[string]string{
		"prices": `{"tea":3}`, "scratch": "writable", "root": "read-only", "stock": "stock: how many",
		"secret pin": "OK", "secret other": "Forbidden",
	}
	for key, value := range varying {
		want[key] = value
	}
	got := askShop(ctx, t, c)
	delete(got, "stock pod")
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("what shop has (-want +got):\n%s", diff)
	}
	if got := kubectl(ctx, t, c, `get deployment shop --output jsonpath='{.spec.replicas} {.spec.template.spec.containers[0].resources.limits.memory}'`); got != "1 192Mi" {
		t.Errorf("shop has %q, want one pod with twice 96Mi", got)
	}
	state, err := os.ReadFile(filepath.Join(c.dir, ".sandbox/pulumi/.pulumi/stacks/grpc-edge/sandbox.json"))
	if err != nil || strings.Contains(string(state), "opensesame") {
		t.Errorf("the state holds a secret in the clear (%v)", err)
	}
}

func checkStockIsPrivate(ctx context.Context, t *testing.T, c checkout) {
	if list := listServices(ctx, t, c); slices.Contains(list, "stock.v1.StockService") || !containsAll(list, []string{"shop.v1.ShopService", "shop.v1.CatalogService"}) {
		t.Errorf("reflection lists %q, want both services of shop without stock", list)
	}
	e := outputs(ctx, t, c)
	err := e.dial(t, e.verified(t)).Invoke(ctx, "/stock.v1.StockService/Say", &echo.EchoRequest{}, &echo.EchoResponse{})
	if err == nil || !strings.Contains(err.Error(), "Unimplemented") {
		t.Errorf("calling stock through the edge: %v, want it not to be served", err)
	}
	if got := grpcurl(ctx, t, c, "{}", "shop.v1.CatalogService/ListProducts"); !strings.Contains(got, `"tea"`) {
		t.Errorf("the service of shop's other proto answers %s", got)
	}
}

// addRecommendation adds a service by its proto and its image, as docs/services.md says. It is
// served by the second host name alone.
func addRecommendation(ctx context.Context, t *testing.T, c checkout) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	image, err := foreign.Build(ctx, root)
	if err != nil {
		t.Fatal(err)
	}
	archive := filepath.Join(t.TempDir(), "recommendation.tar")
	if err := tarball.WriteToFile(archive, name.MustParseReference("recommendation:test"), image); err != nil {
		t.Fatal(err)
	}
	reference := strings.TrimSpace(c.must(ctx, t, ".cache/bin/sandbox", "push", archive, "recommendation"))
	const service, protos = "recommendation.v1.RecommendationService", "services/recommendation/shop/recommendation/v1"
	c.must(ctx, t, "sh", "-c", "mkdir -p "+protos+" && cp test/testdata/recommendation/shop/recommendation/v1/*.proto "+protos+
		" && echo 'image: "+reference+"' > services/recommendation/service.yaml")
	appendTo(t, c, "Pulumi.sandbox.yaml", "\n  grpc-edge:rules: [{service: shop."+service+", authority: shop.example.com}]\n")
	c.must(ctx, t, "make", "generate")
	before := pods(ctx, t, c)
	if greeting := c.must(ctx, t, "make", "up"); !strings.Contains(greeting, "-authority shop.example.com") {
		t.Error("`make up` prints no command with the name that serves the service")
	}
	mustStay(t, before, pods(ctx, t, c), "echo-", "reverse-", "shop-", "stock-")

	e := outputs(ctx, t, c)
	for authority, want := range map[string]codes.Code{"shop.example.com": codes.OK, "grpc.example.com": codes.Unimplemented} {
		e.Authority = authority
		request, reply := &echo.EchoRequest{Content: "mug"}, &echo.EchoResponse{} // field 1 is a string in both
		// An Envoy that stops may still get a connection.
		eventually(ctx, t, time.Minute, func() error {
			if got := status.Code(e.dial(t, e.verified(t)).Invoke(ctx, listRecommendations, request, reply)); got != want {
				return fmt.Errorf("calling %s at %s = %v, want %v", listRecommendations, authority, got, want)
			}
			return nil
		})
	}
	e.Authority = "shop.example.com"
	response, err := e.rest(t).Get("https://shop.example.com/v1/products/mug/recommendations")
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if content, err := io.ReadAll(response.Body); err != nil || response.StatusCode != 200 || !strings.Contains(string(content), `"product`) {
		t.Errorf("GET recommendations = %s %s, %v", response.Status, content, err)
	}
}

// listRecommendations is the method of the service in Python.
const listRecommendations = "/shop.recommendation.v1.RecommendationService/ListRecommendations"

// mustStay checks that pods whose names begin so are the same as before.
func mustStay(t *testing.T, before, after []string, prefixes ...string) {
	t.Helper()
	for _, pod := range after {
		isOf := func(prefix string) bool { return strings.HasPrefix(pod, prefix) }
		if slices.ContainsFunc(prefixes, isOf) && !slices.Contains(before, pod) {
			t.Errorf("pod %s is new: its service did not change", pod)
		}
	}
}

// addKey gives shop a secret in the stack's encrypted configuration.
func addKey(ctx context.Context, t *testing.T, c checkout) {
	c.must(ctx, t, "sh", "-c", "printf opensesame | .cache/bin/sandbox pulumi -- config set --stack sandbox --secret serviceKey")
	completed, err := os.ReadFile(filepath.Join(c.dir, ".sandbox", "Pulumi.sandbox.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(completed), "secure: ")
	if !found {
		t.Fatal("Pulumi did not encrypt the secret")
	}
	encrypted, _, _ := strings.Cut(rest, "\n")
	c.edit(t, "Pulumi.sandbox.yaml", "{shop: {replicas: 1}}", "{shop: {replicas: 1, secrets: {KEY: {value: {secure: "+encrypted+"}, file: /etc/shop/key}}}}")
	before := pods(ctx, t, c)
	c.must(ctx, t, "make", "up")
	after := pods(ctx, t, c)
	mustStay(t, before, after, "echo-", "reverse-", "stock-", "recommendation-", "envoy-", "directory-")
	if isOld := func(pod string) bool { return strings.HasPrefix(pod, "shop-") && slices.Contains(before, pod) }; slices.ContainsFunc(after, isOld) {
		t.Error("shop has not got new pods")
	}
	checkShop(ctx, t, c, map[string]string{"level": "info", "pin": "1234", "key": "opensesame"})
}

// callShop calls shop, which calls stock, over and over.
func callShop(ctx context.Context, t *testing.T, c checkout) *background {
	e := outputs(ctx, t, c)
	connection := e.dial(t, e.verified(t))
	return repeat(ctx, func(ctx context.Context) error {
		return connection.Invoke(ctx, "/shop.v1.ShopService/Say", &echo.EchoRequest{Content: "x"}, &echo.EchoResponse{}, grpc.WaitForReady(true))
	})
}

// scaleStock gives stock more pods and recommendation another variable while both are called. It
// waits until shop calls all pods of stock.
func scaleStock(ctx context.Context, t *testing.T, c checkout) {
	calls := callShop(ctx, t, c)
	e := outputs(ctx, t, c)
	e.Authority = "shop.example.com"
	connection := e.dial(t, e.verified(t))
	others := repeat(ctx, func(ctx context.Context) error {
		return connection.Invoke(ctx, listRecommendations, &echo.EchoRequest{Content: "mug"}, &echo.EchoResponse{}, grpc.WaitForReady(true))
	})
	c.edit(t, "Pulumi.sandbox.yaml", "grpc-edge:services: {", "grpc-edge:services: {stock: {replicas: 4}, recommendation: {environment: {ROLLED: again}}, ")
	c.must(ctx, t, "make", "up")
	others.mustNotFail(t)
	eventually(ctx, t, time.Minute, func() error {
		called := map[string]bool{}
		for range 12 {
			called[askShop(ctx, t, c)["stock pod"]] = true
		}
		if len(called) != 4 {
			return fmt.Errorf("shop calls the pods %q of stock, want all 4", slices.Sorted(maps.Keys(called)))
		}
		return nil
	})
	calls.mustNotFail(t)
}

// breakShop gives shop a configuration with which it ends at start, and takes that back.
func breakShop(ctx context.Context, t *testing.T, c checkout) {
	calls := callShop(ctx, t, c)
	c.edit(t, "Pulumi.sandbox.yaml", "{replicas: 1, ", "{replicas: 1, environment: {LEVEL: loud}, ")
	out, err := c.run(ctx, t, "sh", "-c", "make up 2>&1")
	if err == nil {
		t.Error("`make up` passes although shop crashes")
	}
	for _, want := range []string{"pod shop-", "exit code 3", `LEVEL is "loud"; it must be info`} {
		if !strings.Contains(out, want) {
			t.Errorf("`make up` does not say %q", want)
		}
	}
	c.edit(t, "Pulumi.sandbox.yaml", "environment: {LEVEL: loud}, ", "")
	c.must(ctx, t, "make", "up")
	calls.mustNotFail(t)
}

// rollStock replaces the pods of stock while shop is called.
func rollStock(ctx context.Context, t *testing.T, c checkout) {
	calls := callShop(ctx, t, c)
	c.edit(t, "services/stock/handlers.go", `"stock: " +`, `"stock changed: " +`)
	c.must(ctx, t, "make", "up")
	calls.mustNotFail(t)
	if got := askShop(ctx, t, c)["stock"]; got != "stock changed: how many" {
		t.Errorf("stock answers %q after its rollout", got)
	}
}

func removeShop(ctx context.Context, t *testing.T, c checkout) {
	calls := callInBackground(ctx, t, outputs(ctx, t, c))
	for _, name := range []string{"shop", "stock", "recommendation"} {
		c.must(ctx, t, "make", "service-remove", "NAME="+name)
	}
	file := filepath.Join(c.dir, "Pulumi.sandbox.yaml")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(content), "\n  grpc-edge:services:")
	if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c.must(ctx, t, "make", "up")
	calls.mustNotFail(t)
	mustStay(t, nil, pods(ctx, t, c), "shop-", "stock-", "recommendation-") // none is left
}
