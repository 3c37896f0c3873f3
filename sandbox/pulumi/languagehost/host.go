// Package languagehost lets the Pulumi CLI run Go programs: it stands in for
// the pulumi-language-go plugin that Pulumi ships next to its CLI, which no
// package registry serves.
//
// It speaks the pulumirpc.LanguageRuntime protocol of the Pulumi SDK v3.276.0.
// Methods that only `pulumi convert` and `pulumi package` need (code generation, Pack,
// Link) answer Unimplemented.
package languagehost

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"example.com/grpc-edge/internal/subprocess"
)

// enginePoll is the interval at which the host checks that the engine that started it still
// lives. So it never outlives a CLI that was killed.
const enginePoll = 10 * time.Second

// Main runs the plugin as the CLI starts it, `pulumi-language-go [flags]
// <engine address>`: it prints its port on stdout and serves until it is
// interrupted or the engine is gone. It returns the exit code of the process.
func Main(args []string) int {
	if err := run(args, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "pulumi-language-go:", err)
		return 1
	}
	return 0
}

func run(args []string, stdout io.Writer) error {
	flags := flag.NewFlagSet("pulumi-language-go", flag.ContinueOnError)
	// The CLI passes these on to every plugin (--tracing, --logflow,
	// --logtostderr, -v); the host has no log or trace of its own.
	flags.String("tracing", "", "accepted, not used")
	flags.Bool("logflow", false, "accepted, not used")
	flags.Bool("logtostderr", false, "accepted, not used")
	flags.Int("v", 0, "accepted, not used")
	if err := flags.Parse(args); err != nil {
		return fmt.Errorf("reading flags: %w", err)
	}

	ctx, cancel := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer cancel()
	host := &Host{ctx: ctx, cancel: cancel}
	if engine := flags.Arg(0); engine != "" {
		if err := host.attach(engine); err != nil {
			return err
		}
	}

	stop := make(chan bool)
	go func() {
		<-ctx.Done()
		close(stop)
	}()
	server, err := rpcutil.ServeWithOptions(rpcutil.ServeOptions{
		Cancel: stop,
		Init: func(server *grpc.Server) error {
			pulumirpc.RegisterLanguageRuntimeServer(server, host)
			return nil
		},
	})
	if err != nil {
		return fmt.Errorf("serving the language runtime: %w", err)
	}
	fmt.Fprintln(stdout, server.Port)
	defer func() { cancel(); host.early.wait() }()
	return <-server.Done
}

// Host answers the engine's questions about one Go program and runs it.
type Host struct {
	pulumirpc.UnimplementedLanguageRuntimeServer

	ctx    context.Context // ends when the host must stop: children die with it
	cancel context.CancelFunc
	engine atomic.Pointer[string] // address of the engine's own gRPC service
	early  early
}

// attach remembers where the engine is and stops the host once it is gone.
func (h *Host) attach(engine string) error {
	h.engine.Store(&engine)
	if err := rpcutil.Healthcheck(h.ctx, engine, enginePoll, h.cancel); err != nil {
		return fmt.Errorf("connecting to the engine at %q: %w", engine, err)
	}
	return nil
}

// within returns a context that ends with the request or with the host.
func (h *Host) within(ctx context.Context) (context.Context, func()) {
	ctx, cancel := context.WithCancel(ctx)
	release := context.AfterFunc(h.ctx, cancel)
	return ctx, func() { release(); cancel() }
}

// Handshake takes the address of an engine that attached to a running host (PULUMI_DEBUG_LANGUAGES).
func (h *Host) Handshake(
	_ context.Context, req *pulumirpc.LanguageHandshakeRequest,
) (*pulumirpc.LanguageHandshakeResponse, error) {
	if req.GetEngineAddress() == "" {
		return nil, status.Error(codes.InvalidArgument, "the handshake carries no engine address")
	}
	if err := h.attach(req.GetEngineAddress()); err != nil {
		return nil, status.Error(codes.Unavailable, err.Error())
	}
	return &pulumirpc.LanguageHandshakeResponse{}, nil
}

// Cancel stops the program, or its compilation, and then the host.
func (h *Host) Cancel(context.Context, *emptypb.Empty) (*emptypb.Empty, error) {
	h.cancel()
	return &emptypb.Empty{}, nil
}

// GetPluginInfo reports the version of the Pulumi SDK whose protocol this is.
func (h *Host) GetPluginInfo(context.Context, *emptypb.Empty) (*pulumirpc.PluginInfo, error) {
	return &pulumirpc.PluginInfo{Version: sdk.Version.String()}, nil
}

// About reports the Go toolchain that programs are built with.
func (h *Host) About(ctx context.Context, _ *pulumirpc.AboutRequest) (*pulumirpc.AboutResponse, error) {
	gobin, err := exec.LookPath("go")
	if err != nil {
		return nil, errNoGo(err)
	}
	version, err := subprocess.Output(exec.CommandContext(ctx, gobin, "version"))
	if err != nil {
		return nil, err
	}
	return &pulumirpc.AboutResponse{Executable: gobin, Version: strings.TrimSpace(version)}, nil
}

// RuntimeOptionsPrompts has nothing to ask: every option of a Go program has a default.
func (h *Host) RuntimeOptionsPrompts(
	context.Context, *pulumirpc.RuntimeOptionsRequest,
) (*pulumirpc.RuntimeOptionsResponse, error) {
	return &pulumirpc.RuntimeOptionsResponse{}, nil
}

func errNoGo(err error) error {
	return status.Errorf(codes.FailedPrecondition, "finding the Go toolchain: %v; install Go or add it to PATH", err)
}
