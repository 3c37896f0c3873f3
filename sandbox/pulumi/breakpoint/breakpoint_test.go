package breakpoint

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

// TestFirstCallPauses makes each call twice, as two runs of the engine do.
func TestFirstCallPauses(t *testing.T) {
	t.Parallel()
	create := &pulumirpc.CreateRequest{Urn: "urn:it"}
	tests := map[string]struct {
		at, method string
		request    any
		paused     bool
		handled    int // of two calls
	}{
		"before":       {"request create", "Create", create, true, 1},
		"after":        {"answer create", "Create", create, true, 2},
		"another verb": {"answer delete", "Create", create, false, 2},
		"a preview":    {"answer create", "Create", &pulumirpc.CreateRequest{Urn: "urn:it", Preview: true}, false, 2},
		"no resource":  {"answer create", "Configure", &pulumirpc.ConfigureRequest{}, false, 2},
		"a deletion":   {"answer delete", "Delete", &pulumirpc.DeleteRequest{Urn: "urn:it"}, true, 2},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			b, err := parse(test.at)
			if err != nil || Set(dir, b) != nil {
				t.Fatal(err)
			}
			handled := 0
			server := Interceptor(dir)
			ask := func(ctx context.Context) error {
				_, err := server(ctx, test.request, &grpc.UnaryServerInfo{FullMethod: "/pulumirpc.ResourceProvider/" + test.method},
					func(context.Context, any) (any, error) { handled++; return nil, nil })
				return err
			}
			ctx, kill := context.WithCancel(t.Context())
			ended := make(chan error, 1)
			go func() { ended <- ask(ctx) }()
			if test.paused {
				for paused := []string(nil); !slices.Equal(paused, []string{"urn:it"}); time.Sleep(time.Millisecond) {
					if paused, err = Paused(dir); err != nil || t.Context().Err() != nil {
						t.Fatal(err)
					}
				}
				kill()
			}
			if err := <-ended; (err != nil) != test.paused {
				t.Errorf("the first call returned %v, want it paused: %v", err, test.paused)
			}
			kill()
			if paused, err := Paused(dir); err != nil || len(paused) != 0 {
				t.Errorf("paused after the caller has gone: %q, %v", paused, err)
			}
			if err := ask(t.Context()); err != nil || handled != test.handled {
				t.Errorf("the second call returned %v; %d were handled, want %d", err, handled, test.handled)
			}
		})
	}
}

func TestBreakpointsAreSetAndCleared(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for _, b := range []Breakpoint{{}, {At: Answer}, {Answer, "read"}, {"reply", "create"}, {Answer, "create now"}} {
		if err := Set(dir, b); err == nil || !strings.Contains(err.Error(), "request or answer, of create, update or delete") {
			t.Errorf("Set(%q) = %v, want what it may be", b, err)
		}
	}
	server, handled := Interceptor(dir), 0
	ask := func() error {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := server(ctx, &pulumirpc.UpdateRequest{Urn: "urn:it"}, &grpc.UnaryServerInfo{FullMethod: "/pulumirpc.ResourceProvider/Update"},
			func(context.Context, any) (any, error) { handled++; return nil, nil })
		return err
	}
	for range 2 { // set again, it pauses again
		if err := Set(dir, Breakpoint{Request, "update"}); err != nil {
			t.Fatal(err)
		}
		if err := ask(); err == nil {
			t.Error("the call did not pause")
		}
		if err := Clear(dir); err != nil {
			t.Fatal(err)
		}
		if err := ask(); err != nil {
			t.Errorf("the call paused: %v", err)
		}
	}
	if err := Clear(dir); err != nil || handled != 2 {
		t.Errorf("Clear = %v, %d calls were handled, want 2", err, handled)
	}
}
