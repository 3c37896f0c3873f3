package test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc/metadata"

	echo "example.com/grpc-edge/services/echo/api"
)

// canaryCalls is the number of calls. It is enough to see a share of 50 % within ten
// standard deviations.
const canaryCalls = 1000

// releaseCanary rolls out a change of echo to half of the calls, and then to all. No call
// may fail meanwhile.
func releaseCanary(ctx context.Context, t *testing.T, c checkout) {
	before := outputs(ctx, t, c)
	_, stable, _ := strings.Cut(before.Images["echo"], "@")
	c.edit(t, "services/echo/handlers.go", `"changed " +`, `"canary " +`)
	appendTo(t, c, "Pulumi.sandbox.yaml", `
  grpc-edge:canaries:
    - {service: echo, stable: "`+stable+`", weight: 50, header: x-version}
`)
	calls := callInBackground(ctx, t, before)
	c.must(ctx, t, "make", "up")
	calls.mustNotFail(t)

	e := outputs(ctx, t, c)
	client := callCanary(ctx, t, e)
	share := func(header string) (canary int) {
		for range canaryCalls {
			ctx := ctx
			if header != "" {
				ctx = metadata.AppendToOutgoingContext(ctx, "x-version", header)
			}
			reply, err := client.Echo(ctx, &echo.EchoRequest{Content: "x"})
			if err != nil {
				t.Fatal(err)
			}
			switch reply.GetContent() {
			case "canary x":
				canary++
			case "changed x":
			default:
				t.Fatalf("got %q", reply.GetContent())
			}
		}
		return canary
	}
	for header, limits := range map[string][2]int{"": {canaryCalls * 35 / 100, canaryCalls * 65 / 100}, "canary": {canaryCalls, canaryCalls}, "stable": {0, 0}} {
		if got := share(header); got < limits[0] || got > limits[1] {
			t.Errorf("with header %q %d of %d calls went to the canary, want %d to %d", header, got, canaryCalls, limits[0], limits[1])
		}
	}
	promote(ctx, t, c, e)
}

// callCanary returns a client of an Envoy that has the canary. kube-proxy learns of an Envoy that
// stops a moment later than Pulumi, and until then may send a new connection to it.
func callCanary(ctx context.Context, t *testing.T, e edge) (client echo.EchoClient) {
	t.Helper()
	eventually(ctx, t, time.Minute, func() error {
		client = echo.NewEchoClient(e.dial(t, e.verified(t)))
		reply, err := client.Echo(metadata.AppendToOutgoingContext(ctx, "x-version", "canary"), &echo.EchoRequest{Content: "x"})
		if err != nil {
			return err
		}
		if got := reply.GetContent(); got != "canary x" {
			return fmt.Errorf("got %q", got)
		}
		return nil
	})
	return client
}

// promote ends the canary as docs/edge.md describes: the new version becomes the only one. An
// Envoy that drains still knows the canary when its pods go.
func promote(ctx context.Context, t *testing.T, c checkout, e edge) {
	file := filepath.Join(c.dir, "Pulumi.sandbox.yaml")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(content), "\n  grpc-edge:canaries:")
	if err := os.WriteFile(file, []byte(text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	calls := callInBackground(ctx, t, e)
	c.must(ctx, t, "make", "up")
	calls.mustNotFail(t)
	for _, pod := range pods(ctx, t, c) {
		if strings.HasPrefix(pod, "echo-canary-") {
			t.Errorf("pod %s is left of the canary", pod)
		}
	}
}

func appendTo(t *testing.T, c checkout, file, text string) {
	t.Helper()
	path := filepath.Join(c.dir, file)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, append([]byte(strings.TrimRight(string(content), "\n")), text...), 0o600); err != nil {
		t.Fatal(err)
	}
}

// background makes calls over and over while something else happens.
type background struct {
	stop   context.CancelFunc
	result chan error
	calls  int
}

func callInBackground(ctx context.Context, t *testing.T, e edge) *background {
	t.Helper()
	client := echo.NewEchoClient(e.dial(t, e.verified(t)))
	return repeat(ctx, func(ctx context.Context) error {
		_, err := client.Echo(ctx, &echo.EchoRequest{Content: "x"})
		return err
	})
}

// repeat makes calls in the background until it is stopped or a call fails.
func repeat(ctx context.Context, call func(context.Context) error) *background {
	ctx, stop := context.WithCancel(ctx)
	b := &background{stop: stop, result: make(chan error, 1)}
	go func() {
		for ctx.Err() == nil {
			if err := call(ctx); err != nil && ctx.Err() == nil {
				b.result <- err
				return
			}
			b.calls++
			time.Sleep(5 * time.Millisecond)
		}
		b.result <- nil
	}()
	return b
}

// mustNotFail stops the calls, and fails the test if a call has failed.
func (b *background) mustNotFail(t *testing.T) {
	t.Helper()
	b.stop()
	if err := <-b.result; err != nil {
		t.Errorf("after %d calls one failed: %v", b.calls, err)
	}
	t.Logf("%d calls meanwhile", b.calls)
}
