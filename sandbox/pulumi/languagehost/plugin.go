package languagehost

import (
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"syscall"

	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// RunPlugin builds a plugin that is a folder of Go source, such as a policy pack
// with `runtime: go`, and runs it until the engine hangs up. The engine reads the
// plugin's port from its stdout.
func (h *Host) RunPlugin(req *pulumirpc.RunPluginRequest, stream pulumirpc.LanguageRuntime_RunPluginServer) error {
	if req.GetAttachDebugger() {
		return status.Error(codes.Unimplemented,
			"this language host attaches no debugger; run without --attach-debugger")
	}
	ctx, release := h.within(stream.Context())
	defer release()
	if h.engine.Load() != nil {
		h.tell(ctx, "compiling "+filepath.Base(req.GetInfo().GetProgramDirectory()))
	}
	plugin, err := h.executable(ctx, req.GetInfo())
	if err != nil {
		return err
	}
	closer, stdout, stderr, err := rpcutil.MakeRunPluginStreams(stream, false)
	if err != nil {
		return fmt.Errorf("streaming output: %w", err)
	}
	defer closer.Close()

	cmd := exec.CommandContext(ctx, plugin, req.GetArgs()...)
	cmd.Dir, cmd.Env = req.GetPwd(), req.GetEnv()
	cmd.Stdout, cmd.Stderr = stdout, stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = grace
	code, err := exitCode(ctx, cmd.Run())
	if err != nil {
		return fmt.Errorf("running the plugin in %q: %w", req.GetInfo().GetProgramDirectory(), err)
	}
	return stream.Send(&pulumirpc.RunPluginResponse{Output: &pulumirpc.RunPluginResponse_Exitcode{Exitcode: code}})
}

// exitCode returns the exit code of a plugin; 0 if it was stopped on demand.
func exitCode(ctx context.Context, err error) (int32, error) {
	var exit *exec.ExitError
	switch {
	case err == nil, ctx.Err() != nil:
		return 0, nil
	case errors.As(err, &exit) && exit.Exited():
		return int32(exit.ExitCode()), nil
	default: // killed by a signal, or never started
		return 0, err
	}
}
