package foreign

import (
	"context"
	"fmt"
	"io"
	"log"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/emptypb"

	"example.com/grpc-edge/cmd/contract/check"
	"example.com/grpc-edge/cmd/contract/run"
)

// start bounds the start of Python on a busy machine.
const start = 2 * time.Minute

func build(t *testing.T) v1.Image {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	image, err := Build(t.Context(), root)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func launch(t *testing.T, image v1.Image, options run.Options) *run.Program {
	t.Helper()
	// Only root may enter the parents of t.TempDir.
	folder := filepath.Join("/var/tmp", "foreign-"+strings.ReplaceAll(t.Name(), "/", "-"))
	t.Cleanup(func() {
		if err := os.RemoveAll(folder); err != nil {
			t.Error(err)
		}
	})
	program, err := run.Start(t.Context(), image, folder, options)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := program.Stop(); err != nil {
			t.Error(err)
		}
	})
	return program
}

// TestImageKeepsToTheContract builds the image twice, reads it back from a registry, runs it
// as a pod does, and calls it.
func TestImageKeepsToTheContract(t *testing.T) {
	image := build(t)
	server := httptest.NewServer(registry.New(registry.Logger(log.New(io.Discard, "", 0)), registry.WithReferrersSupport(true)))
	defer server.Close()
	repository := strings.TrimPrefix(server.URL, "http://") + "/shop/recommendation"
	reference, err := Push(t.Context(), image, repository, "", nil)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Push(t.Context(), build(t), repository, "", nil); err != nil || again != reference {
		t.Errorf("built again it is %s (%v), want %s", again, err, reference)
	}
	if problems := check.Image(t.Context(), reference, "amd64", nil); len(problems) != 0 {
		t.Errorf("its configuration breaks %+v", problems)
	}

	program := launch(t, image, run.Options{})
	connection, err := program.Dial()
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	list(t.Context(), t, connection)
	for _, problem := range run.Check(t.Context(), program, run.Checks{Start: start, Pings: true}) {
		t.Error(problem.Text)
	}
}

// list calls the service with messages in the wire format. The field product_id has number 1.
func list(ctx context.Context, t *testing.T, connection *grpc.ClientConn) {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, start)
	defer cancel()
	const method = "/shop.recommendation.v1.RecommendationService/ListRecommendations"
	request, reply := new(emptypb.Empty), new(emptypb.Empty)
	err := connection.Invoke(ctx, method, request, reply, grpc.WaitForReady(true))
	if status.Code(err) != codes.InvalidArgument {
		t.Errorf("a request without a product ends with %v, want INVALID_ARGUMENT", err)
	}
	request.ProtoReflect().SetUnknown(protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), "mug"))
	if err := connection.Invoke(ctx, method, request, reply); err != nil {
		t.Fatal(err)
	}
	if text, err := proto.Marshal(reply); err != nil || strings.Count(string(text), "\x0a") != 3 {
		t.Errorf("got %q (%v), want 3 products", text, err)
	}
}

// aPod tells what a program finds in a pod with these files, scratch folders, variables and arguments.
const aPod = `
import os, sys
print(open("/etc/shop/prices.json").read(), os.environ["ADDRESS"], sys.argv[1], flush=True)
for folder in ["/tmp", "/etc/shop"]:
    try:
        open(folder + "/new", "w").write("x" * 100)
        print("wrote to", folder, flush=True)
    except OSError as e:
        print(folder, e.strerror, flush=True)
try:
    open("/tmp/large", "w").write("x" * (2 << 20))
except OSError as e:
    print("/tmp", e.strerror, flush=True)
`

// TestPodOfAService runs a program with what service.yaml can give to a pod.
func TestPodOfAService(t *testing.T) {
	image := build(t)
	config, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	program := launch(t, image, run.Options{
		Command: []string{config.Config.Entrypoint[0], "-c", aPod}, Args: []string{"--port=$(PORT)"}, Environment: []string{"ADDRESS=0.0.0.0:$(PORT)"},
		Files: map[string][]byte{"/etc/shop/prices.json": []byte("prices")}, Scratch: map[string]int64{"/tmp": 1 << 20},
	})
	if !program.Wait(start) {
		t.Fatal("the program does not end")
	}
	want := fmt.Sprintf("prices 0.0.0.0:%[1]d --port=%[1]d\nwrote to /tmp\n/etc/shop Read-only file system\n/tmp No space left on device\n", program.Port)
	if code, _ := program.Ended(); code != 0 || program.Log() != want {
		t.Errorf("exit code %d and\n%swant 0 and\n%s", code, program.Log(), want)
	}
}

// TestWhatAnImageBreaksIsNamed makes the program break the contract in each way that it
// supports.
func TestWhatAnImageBreaksIsNamed(t *testing.T) {
	image := build(t)
	for broken, want := range map[string]string{
		"health":   "has no health service",
		"port":     "nothing listens on port",
		"loopback": "listens on 127.0.0.1 alone",
		"exit":     "the program ended with exit code 0",
		"write":    "Read-only file system",
		"headers":  "refuses request headers of 32 KiB",
		"sigterm":  "after SIGTERM the program still runs",
	} {
		t.Run(broken, func(t *testing.T) {
			program, patience := launch(t, image, run.Options{Environment: []string{"BREAK=" + broken}}), start
			if slices.Contains([]string{"health", "port", "loopback"}, broken) {
				waitForLog(t, program, "serving")
				patience = time.Second // nothing will change
			}
			problems := run.Check(t.Context(), program, run.Checks{Start: patience})
			if len(problems) == 0 || !strings.Contains(problems[len(problems)-1].Text, want) {
				t.Errorf("got %+v, want what says %q", problems, want)
			}
		})
	}
}

func waitForLog(t *testing.T, program *run.Program, text string) {
	t.Helper()
	for !strings.Contains(program.Log(), text) {
		if program.Wait(50 * time.Millisecond) {
			t.Fatalf("the program ended: %s", program.Log())
		}
	}
}
