package test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"maps"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	echo "example.com/grpc-edge/services/echo/api"
	"example.com/grpc-edge/test/foreign"
)

// TestServices adds, changes, breaks and removes services that others might have written, by
// all commands of docs/services.md. greeter is as `make service` writes it. shop has two protos
// and needs everything that a service may ask for. stock is private, and shop calls it.
// recommendation is in Python, and is served by a host name of its own.
func TestServices(t *testing.T) {
	ctx := t.Context()
	c := newCheckout(t)
	g := readGuide(t, c, "docs/services.md")
	c.removeAtEnd(t)
	runSteps(t, []step{
		{"services are added", func(t *testing.T) { addShop(ctx, t, g) }},
		{"make up brings them up", func(t *testing.T) { callGreeter(ctx, t, g, g.run(ctx, t, "make up")) }},
		{"a service has what it needs, and no more", func(t *testing.T) {
			checkShop(ctx, t, c, map[string]string{"level": "info", "pin": "1234", "key": "none"})
		}},
		{"a private service is known only to who calls it", func(t *testing.T) { checkStockIsPrivate(ctx, t, c) }},
		{"an image in another language is a service", func(t *testing.T) { addRecommendation(ctx, t, g) }},
		{"a secret of the stack rolls its service alone", func(t *testing.T) { addKey(ctx, t, g) }},
		{"new pods of the private service are found, and a rollout in another language fails no call", func(t *testing.T) { scaleStock(ctx, t, c) }},
		{"a rollout of the private service fails no call", func(t *testing.T) { rollStock(ctx, t, c) }},
		{"what breaks a service is told, and costs no call", func(t *testing.T) { breakServices(ctx, t, c) }},
		{"preview and refresh show no change", func(t *testing.T) {
			expectNoChanges(ctx, t, c, "preview")
			expectNoChanges(ctx, t, c, "refresh", "--yes", "--skip-preview")
		}},
		{"a service is renamed by a command, and no call of others fails", func(t *testing.T) { renameGreeter(ctx, t, g) }},
		{"services are removed by a command", func(t *testing.T) { removeShop(ctx, t, g) }},
		{"the page has no other commands", g.mustBeDone},
	})
}

// addShop adds greeter, shop and stock.
func addShop(ctx context.Context, t *testing.T, g *guide) {
	c := g.checkout
	g.run(ctx, t, "make service NAME=greeter")
	g.run(ctx, t, "make unit M=services/greeter")
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
	g.run(ctx, t, "make service-calls NAME=echo CALLS=reverse", "echo", "shop", "reverse", "stock")
	const register = "shopv1.RegisterShopServiceServer(server, handlers{})"
	c.edit(t, "services/shop/main.go", register, register+"\n\t\tshopv1.RegisterCatalogServiceServer(server, catalog{})")
	c.must(ctx, t, "make", "generate")
	c.edit(t, "Pulumi.sandbox.yaml", "    - grpc.example.com\n", "    - grpc.example.com\n    - shop.example.com\n")
	appendTo(t, c, "Pulumi.sandbox.yaml", "\n  grpc-edge:services: {shop: {replicas: 1}}\n")
	for secret, value := range map[string]string{"pin": "1234", "other": "none of yours"} {
		c.must(ctx, t, "sh", "-c", "printf '"+value+"' | .cache/bin/sandbox secret "+secret)
	}
}

// callGreeter calls the service that `make service` wrote, also by REST.
func callGreeter(ctx context.Context, t *testing.T, g *guide, greeting string) {
	if !strings.Contains(greeting, "greeter.v1.GreeterService/") {
		t.Error("`make up` prints no command for the new service")
	}
	if got := g.run(ctx, t, `make call METHOD=greeter.v1.GreeterService/Say DATA='{"content":"hello"}'`); !strings.Contains(got, `"greeter: hello"`) {
		t.Errorf("greeter answers %s", got)
	}
	if status, got := post(t, outputs(ctx, t, g.checkout), "/v1/greeter:say", `{"content": "hello"}`); status != 200 || !strings.Contains(got, `"content":"`) {
		t.Errorf("POST /v1/greeter:say = %d %s", status, got)
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

// checkShop waits until a pod of shop finds what it must have. A pod of the last version may still
// drain.
func checkShop(ctx context.Context, t *testing.T, c checkout, varying map[string]string) {
	t.Helper()
	want := map[string]string{
		"prices": `{"tea":3}`, "scratch": "writable", "root": "read-only", "stock": "stock: how many",
		"secret pin": "OK", "secret other": "Forbidden",
	}
	for key, value := range varying {
		want[key] = value
	}
	eventually(ctx, t, time.Minute, func() error {
		got := askShop(ctx, t, c)
		delete(got, "stock pod")
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("what shop has (-want +got):\n%s", diff)
		}
		return nil
	})
	if got := kubectl(ctx, t, c, `get deployment shop --output jsonpath='{.spec.replicas} {.spec.template.spec.containers[0].resources.limits.memory}'`); got != "1 192Mi" {
		t.Errorf("shop has %q, want one pod with twice 96Mi", got)
	}
}

func checkStockIsPrivate(ctx context.Context, t *testing.T, c checkout) {
	if list := listServices(ctx, t, c); slices.Contains(list, "stock.v1.StockService") || !containsAll(list, []string{"shop.v1.ShopService", "shop.v1.CatalogService", "greeter.v1.GreeterService"}) {
		t.Errorf("reflection lists %q, want greeter and both services of shop without stock", list)
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

// addRecommendation adds a service by its proto and its image. It is served by the second host
// name alone.
func addRecommendation(ctx context.Context, t *testing.T, g *guide) {
	c := g.checkout
	image := recommendationImage(ctx, t, g)
	archive := filepath.Join(t.TempDir(), "recommendation.tar")
	if err := tarball.WriteToFile(archive, name.MustParseReference("recommendation:test"), image); err != nil {
		t.Fatal(err)
	}
	reference := strings.TrimSpace(g.run(ctx, t, ".cache/bin/sandbox push cart.tar cart", "cart.tar cart", archive+" recommendation"))
	const service = "recommendation.v1.RecommendationService"
	placeholders := []string{
		"us-central1-docker.pkg.dev/my-project/team/cart@sha256:…", reference,
		"…/cart.proto", "test/testdata/recommendation/shop/recommendation/v1/*.proto",
		"services/cart/cart", "services/recommendation/shop/recommendation", "services/cart", "services/recommendation",
	}
	for _, command := range []string{
		"mkdir -p services/cart/cart/v1",
		"cp …/cart.proto services/cart/cart/v1/",
		"echo 'image: us-central1-docker.pkg.dev/my-project/team/cart@sha256:…' > services/cart/service.yaml",
		"make generate",
	} {
		g.run(ctx, t, command, placeholders...)
	}
	appendTo(t, c, "Pulumi.sandbox.yaml", "\n  grpc-edge:rules: [{service: shop."+service+", authority: shop.example.com}]\n")
	before := pods(ctx, t, c)
	g.run(ctx, t, "pulumi up", "up", "up --yes --skip-preview")
	if greeting := c.must(ctx, t, "make", "up"); !strings.Contains(greeting, "-authority shop.example.com") {
		t.Error("`make up` prints no command with the name that serves the service")
	}
	mustStay(t, before, pods(ctx, t, c), "echo-", "reverse-", "greeter-", "shop-", "stock-")

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

// recommendationImage builds the image, and checks that it keeps to the contract.
func recommendationImage(ctx context.Context, t *testing.T, g *guide) v1.Image {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	image, err := foreign.Build(ctx, root)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0))))
	defer server.Close()
	reference, err := foreign.Push(ctx, image, strings.TrimPrefix(server.URL, "http://")+"/recommendation", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	g.run(ctx, t, "make contract IMAGE=…", "…", reference)
	return image
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
func addKey(ctx context.Context, t *testing.T, g *guide) {
	c := g.checkout
	c.edit(t, "services/shop/service.yaml", "secrets:\n", "secrets:\n  KEY: {file: /etc/shop/key}\n")
	g.run(ctx, t, "pulumi config set --secret --path 'grpc-edge:services.cart.secrets.API_KEY.value' …", "cart", "shop", "API_KEY", "KEY", "…", "opensesame")
	before := pods(ctx, t, c)
	c.must(ctx, t, "make", "up")
	after := pods(ctx, t, c)
	mustStay(t, before, after, "echo-", "reverse-", "greeter-", "stock-", "recommendation-", "envoy-", "directory-")
	if isOld := func(pod string) bool { return strings.HasPrefix(pod, "shop-") && slices.Contains(before, pod) }; slices.ContainsFunc(after, isOld) {
		t.Error("shop has not got new pods")
	}
	checkShop(ctx, t, c, map[string]string{"level": "info", "pin": "1234", "key": "opensesame"})
	noPlainSecret(t, c, "opensesame")
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
	c.must(ctx, t, "sh", "-c", set+"services.stock.replicas 4 && "+set+"services.recommendation.environment.ROLLED again")
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

// rollStock replaces the pods of stock while shop is called.
func rollStock(ctx context.Context, t *testing.T, c checkout) {
	calls := callShop(ctx, t, c)
	c.edit(t, "services/stock/handlers.go", `"stock: " +`, `"stock changed: " +`)
	c.must(ctx, t, "make", "up")
	calls.mustNotFail(t)
	eventually(ctx, t, time.Minute, func() error { // an old pod may still drain
		if got := askShop(ctx, t, c)["stock"]; got != "stock changed: how many" {
			return fmt.Errorf("stock answers %q after its rollout", got)
		}
		return nil
	})
}

// renameGreeter renames a service while others are called. Calls to the service itself may fail for a
// moment: an Envoy that still drains knows only the pods that the update ends.
func renameGreeter(ctx context.Context, t *testing.T, g *guide) {
	e := outputs(ctx, t, g.checkout)
	calls := callInBackground(ctx, t, e)
	g.run(ctx, t, "make service-rename NAME=greeter TO=welcome")
	g.must(ctx, t, "make", "up")
	calls.mustNotFail(t)
	eventually(ctx, t, time.Minute, func() error {
		return e.dial(t, e.verified(t)).Invoke(ctx, "/greeter.v1.GreeterService/Say", &echo.EchoRequest{Content: "x"}, &echo.EchoResponse{})
	})
	left := pods(ctx, t, g.checkout)
	mustStay(t, nil, left, "greeter-") // none is left
	if !slices.ContainsFunc(left, func(pod string) bool { return strings.HasPrefix(pod, "welcome-") }) {
		t.Errorf("the pods are %q, want some of welcome", left)
	}
}

func removeShop(ctx context.Context, t *testing.T, g *guide) {
	calls := callInBackground(ctx, t, outputs(ctx, t, g.checkout))
	g.run(ctx, t, "make service-remove NAME=welcome")
	for _, name := range []string{"shop", "stock", "recommendation"} {
		g.must(ctx, t, "make", "service-remove", "NAME="+name)
	}
	for _, key := range []string{"services", "rules"} {
		g.must(ctx, t, "sh", "-c", ".cache/bin/sandbox pulumi -- config rm grpc-edge:"+key)
	}
	g.must(ctx, t, "make", "up")
	calls.mustNotFail(t)
	mustStay(t, nil, pods(ctx, t, g.checkout), "welcome-", "shop-", "stock-", "recommendation-") // none is left
}
