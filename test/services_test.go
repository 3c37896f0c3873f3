package test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/grpc"

	echo "example.com/grpc-edge/services/echo/api"
)

// TestServices adds, changes and removes two services that others might have written. shop
// needs everything that a service may ask for. stock is private, and shop calls it.
func TestServices(t *testing.T) {
	ctx := t.Context()
	c := newCheckout(t)
	t.Cleanup(func() {
		// Clean up after any failure. t.Context() has ended by now.
		_, _ = c.run(context.Background(), t, "make", "down")
		_ = os.RemoveAll(c.dir)
	})
	runSteps(t, []step{
		{"two services are added", func(t *testing.T) { addShop(ctx, t, c) }},
		{"make up brings them up", func(t *testing.T) { c.must(ctx, t, "make", "up") }},
		{"a service has what it needs, and no more", func(t *testing.T) {
			checkShop(ctx, t, c, map[string]string{"level": "info", "pin": "1234", "key": "none"})
		}},
		{"a private service is known only to who calls it", func(t *testing.T) { checkStockIsPrivate(ctx, t, c) }},
		{"a secret of the stack rolls its service alone", func(t *testing.T) { addKey(ctx, t, c) }},
		{"a rollout of the private service fails no call", func(t *testing.T) { rollStock(ctx, t, c) }},
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
	for from, to := range map[string]string{"handlers.go.txt": "handlers.go", "service.yaml": "service.yaml"} {
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
	if diff := cmp.Diff(want, askShop(ctx, t, c)); diff != "" {
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
	if list := listServices(ctx, t, c); slices.Contains(list, "stock.v1.StockService") || !slices.Contains(list, "shop.v1.ShopService") {
		t.Errorf("reflection lists %q, want shop without stock", list)
	}
	e := outputs(ctx, t, c)
	err := e.dial(t, e.verified(t)).Invoke(ctx, "/stock.v1.StockService/Say", &echo.EchoRequest{}, &echo.EchoResponse{})
	if err == nil || !strings.Contains(err.Error(), "Unimplemented") {
		t.Errorf("calling stock through the edge: %v, want it not to be served", err)
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
	for _, pod := range pods(ctx, t, c) {
		if strings.HasPrefix(pod, "shop-") == slices.Contains(before, pod) {
			t.Errorf("pod %s: only those of shop should be new", pod)
		}
	}
	checkShop(ctx, t, c, map[string]string{"level": "info", "pin": "1234", "key": "opensesame"})
}

// rollStock replaces the pods of stock while shop is called.
func rollStock(ctx context.Context, t *testing.T, c checkout) {
	e := outputs(ctx, t, c)
	connection := e.dial(t, e.verified(t))
	calls := repeat(ctx, func(ctx context.Context) error {
		return connection.Invoke(ctx, "/shop.v1.ShopService/Say", &echo.EchoRequest{Content: "x"}, &echo.EchoResponse{}, grpc.WaitForReady(true))
	})
	c.edit(t, "services/stock/handlers.go", `"stock: " +`, `"stock changed: " +`)
	c.must(ctx, t, "make", "up")
	calls.mustNotFail(t)
	if got := askShop(ctx, t, c)["stock"]; got != "stock changed: how many" {
		t.Errorf("stock answers %q after its rollout", got)
	}
}

func removeShop(ctx context.Context, t *testing.T, c checkout) {
	c.must(ctx, t, "make", "service-remove", "NAME=shop")
	c.must(ctx, t, "make", "service-remove", "NAME=stock")
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
	for _, pod := range pods(ctx, t, c) {
		if strings.HasPrefix(pod, "shop-") || strings.HasPrefix(pod, "stock-") {
			t.Errorf("pod %s is left", pod)
		}
	}
}
