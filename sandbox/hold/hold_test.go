package hold

import (
	"context"
	"slices"
	"strings"
	"testing"
	"time"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
)

// TestFirstCallIsHeld makes each call twice, as two runs of the engine do.
func TestFirstCallIsHeld(t *testing.T) {
	t.Parallel()
	create := &pulumirpc.CreateRequest{Urn: "urn:it"}
	tests := map[string]struct {
		hold, method string
		request      any
		held         bool
		handled      int // of two calls
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
			h, err := Parse(strings.Fields(test.hold))
			if err != nil || Set(dir, h) != nil {
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
			if test.held {
				for held := []string(nil); !slices.Equal(held, []string{"urn:it"}); time.Sleep(time.Millisecond) {
					if held, err = Held(dir); err != nil || t.Context().Err() != nil {
						t.Fatal(err)
					}
				}
				kill()
			}
			if err := <-ended; (err != nil) != test.held {
				t.Errorf("the first call returned %v, want it held: %v", err, test.held)
			}
			kill()
			if held, err := Held(dir); err != nil || len(held) != 0 {
				t.Errorf("held after the caller has gone: %q, %v", held, err)
			}
			if err := ask(t.Context()); err != nil || handled != test.handled {
				t.Errorf("the second call returned %v; %d were handled, want %d", err, handled, test.handled)
			}
		})
	}
}

func TestHoldsAreSetAndCleared(t *testing.T) {
	t.Parallel()
	for _, words := range []string{"", "answer", "answer read", "reply create", "answer create now"} {
		if h, err := Parse(strings.Fields(words)); err == nil || !strings.Contains(err.Error(), "request or answer, and create, update or delete") {
			t.Errorf("Parse(%q) = %v, %v, want what it may be", words, h, err)
		}
	}
	dir := t.TempDir()
	server, handled := Interceptor(dir), 0
	ask := func() error {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		_, err := server(ctx, &pulumirpc.UpdateRequest{Urn: "urn:it"}, &grpc.UnaryServerInfo{FullMethod: "/pulumirpc.ResourceProvider/Update"},
			func(context.Context, any) (any, error) { handled++; return nil, nil })
		return err
	}
	for range 2 { // set again, it holds again
		if err := Set(dir, Hold{Request, "update"}); err != nil {
			t.Fatal(err)
		}
		if err := ask(); err == nil {
			t.Error("the call was not held")
		}
		if err := Clear(dir); err != nil {
			t.Fatal(err)
		}
		if err := ask(); err != nil {
			t.Errorf("the call was held: %v", err)
		}
	}
	if err := Clear(dir); err != nil || handled != 2 {
		t.Errorf("Clear = %v, %d calls were handled, want 2", err, handled)
	}
}
