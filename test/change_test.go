package test

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	echo "example.com/grpc-edge/services/echo/api"
)

// changeEcho changes the answers of echo. The preview must show only the new digest: in the
// Deployment, and where the image is kept from being deleted. `make up` must roll echo's
// pods and no others.
func changeEcho(ctx context.Context, t *testing.T, c checkout) {
	old, oldPods := outputs(ctx, t, c), pods(ctx, t, c)
	c.edit(t, "services/echo/handlers.go", "Content: request.GetContent()", `Content: "changed " + request.GetContent()`)

	changed := previewChanges(ctx, t, c)
	slices.Sort(changed)
	if want := []string{"gcp:artifactregistry/repository:Repository registry-images update", "kubernetes:apps/v1:Deployment echo update"}; !slices.Equal(changed, want) {
		t.Errorf("the preview would change %q, want %q", changed, want)
	}
	c.must(ctx, t, "make", "up")

	now := outputs(ctx, t, c)
	for name, reference := range now.Images {
		if differs := reference != old.Images[name]; differs != (name == "echo") {
			t.Errorf("image of %s: %s, before %s", name, reference, old.Images[name])
		}
	}
	for _, pod := range pods(ctx, t, c) {
		if kept := slices.Contains(oldPods, pod); kept == strings.HasPrefix(pod, "echo-") {
			t.Errorf("pod %s: kept %v; want echo's pods new and the others kept", pod, kept)
		}
	}
	waitForNewPods(ctx, t, now, "changed hello")
}

// waitForNewPods waits until all answers are from new pods. Old pods may still drain. No call
// may fail meanwhile.
func waitForNewPods(ctx context.Context, t *testing.T, e edge, want string) {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	client := echo.NewEchoClient(e.dial(t, e.verified(t)))
	// So many in a row can't happen by chance while one of two pods is old.
	for row, calls := 0, 0; row < 20; calls++ {
		reply, err := client.Echo(ctx, &echo.EchoRequest{Content: "hello"})
		if err != nil {
			t.Fatalf("call %d: %v", calls, err)
		}
		if reply.GetContent() == want {
			row++
		} else {
			row = 0
		}
	}
}

// previewChanges returns each custom resource that a preview would change: type, name,
// operation.
func previewChanges(ctx context.Context, t *testing.T, c checkout) []string {
	t.Helper()
	text, err := c.pulumi(ctx, t, "preview", "--json", "--stack", "sandbox")
	if err != nil {
		t.Fatal(err)
	}
	var plan struct {
		Steps []struct {
			Op, URN  string
			NewState struct{ Custom bool }
		}
	}
	if err := json.Unmarshal([]byte(text), &plan); err != nil {
		t.Fatalf("reading the preview: %v", err)
	}
	var changes []string
	for _, step := range plan.Steps {
		if step.Op == "same" || !step.NewState.Custom {
			continue
		}
		parts := strings.Split(step.URN, "::") // urn:pulumi:stack::project::parent$type::name
		kind := parts[2][strings.LastIndexByte(parts[2], '$')+1:]
		changes = append(changes, kind+" "+parts[3]+" "+step.Op)
	}
	return changes
}

// resume stops the sandbox as a reboot of the machine does, once gracefully and once with
// SIGKILL. It starts the sandbox again each time.
func resume(ctx context.Context, t *testing.T, c checkout) {
	old := outputs(ctx, t, c)
	ends := map[string]func(){
		"make stop": func() { c.must(ctx, t, "make", "stop") },
		"kill -9": func() {
			var info struct{ PID int }
			text, err := os.ReadFile(filepath.Join(c.dir, ".sandbox", "daemon.json"))
			if err != nil {
				t.Fatal(err)
			}
			if err := json.Unmarshal(text, &info); err != nil {
				t.Fatal(err)
			}
			if err := syscall.Kill(info.PID, syscall.SIGKILL); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Second) // for the kernel to end what lived in the namespaces
		},
	}
	for name, end := range ends {
		end()
		if left := processes(c); len(left) > 0 {
			t.Errorf("after %s there are still processes:\n%s", name, strings.Join(left, "\n"))
		}
		if links := names(t, "/sys/class/net"); slices.Contains(links, "grpc-edge0") {
			t.Errorf("after %s the link grpc-edge0 is still there", name)
		}
		c.must(ctx, t, "make", "up") // returns once a pod of each serves
		kubectl(ctx, t, c, "rollout status deployment --selector app.kubernetes.io/part-of=grpc-edge --timeout 2m")
		if now := outputs(ctx, t, c); now.Address != old.Address || now.CACertificate != old.CACertificate {
			t.Errorf("after %s the address or the certificate changed: %s, before %s", name, now.Address, old.Address)
		}
	}
}
