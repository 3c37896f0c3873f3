package languagehost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/constant"
	"github.com/pulumi/pulumi/sdk/v3/go/common/util/rpcutil"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
)

// grace is the time that a cancelled program may take to end by itself. It is below the 5
// seconds after which the engine kills the host.
const grace = 3 * time.Second

// Run builds the program and runs it to its end. What it prints goes to the
// host's own stdout and stderr, which the engine shows as diagnostics.
func (h *Host) Run(ctx context.Context, req *pulumirpc.RunRequest) (*pulumirpc.RunResponse, error) {
	engine := h.engine.Load()
	if engine == nil {
		return nil, status.Error(codes.FailedPrecondition,
			"no engine: start the host with the engine's address or call Handshake first")
	}
	if req.GetAttachDebugger() {
		return nil, status.Error(codes.Unimplemented,
			"this language host attaches no debugger; run without --attach-debugger")
	}
	ctx, release := h.within(ctx)
	defer release()

	name := filepath.Base(req.GetInfo().GetProgramDirectory())
	h.tell(ctx, "compiling "+name)
	program, err := h.executable(ctx, req.GetInfo())
	if err != nil {
		return &pulumirpc.RunResponse{Error: err.Error()}, nil
	}
	env, err := environment(req, *engine)
	if err != nil {
		return nil, err
	}
	h.tell(ctx, "running "+name)

	cmd := exec.CommandContext(ctx, program, req.GetArgs()...)
	cmd.Dir = req.GetPwd()
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = grace
	return outcome(cmd.Run()), nil
}

// outcome returns how the program ended, as a response to the engine.
func outcome(err error) *pulumirpc.RunResponse {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return &pulumirpc.RunResponse{}
	case errors.As(err, &exit) && exit.ExitCode() == constant.ExitStatusLoggedError:
		// The SDK has told the engine why: saying it again would be noise.
		return &pulumirpc.RunResponse{Bail: true}
	case errors.As(err, &exit) && exit.Exited():
		return &pulumirpc.RunResponse{Error: fmt.Sprintf(
			"the program exited with code %d; its output above says why", exit.ExitCode())}
	default: // killed by a signal, or never started
		return &pulumirpc.RunResponse{Error: fmt.Sprintf("running the program: %v", err)}
	}
}

// environment returns the variables that tell a Go program what to deploy and where the engine
// is. The SDK's pulumi.Run reads them (go/pulumi/run.go).
func environment(req *pulumirpc.RunRequest, engine string) ([]string, error) {
	config, err := json.Marshal(req.GetConfig())
	if err != nil {
		return nil, fmt.Errorf("encoding the stack's config: %w", err)
	}
	secrets, err := json.Marshal(req.GetConfigSecretKeys())
	if err != nil {
		return nil, fmt.Errorf("encoding the stack's secret config keys: %w", err)
	}
	var env []string
	for name, value := range map[string]string{
		pulumi.EnvOrganization:        req.GetOrganization(),
		pulumi.EnvProject:             req.GetProject(),
		pulumi.EnvPulumiRootDirectory: req.GetInfo().GetRootDirectory(),
		pulumi.EnvStack:               req.GetStack(),
		pulumi.EnvConfig:              string(config),
		pulumi.EnvConfigSecretKeys:    string(secrets),
		pulumi.EnvDryRun:              strconv.FormatBool(req.GetDryRun()),
		pulumi.EnvParallel:            strconv.Itoa(int(req.GetParallel())),
		pulumi.EnvMonitor:             req.GetMonitorAddress(),
		pulumi.EnvEngine:              engine,
	} {
		env = append(env, name+"="+value)
	}
	return env, nil
}

// tell shows a passing status line: the first compilation of a program that
// imports a large SDK takes minutes. It is only a courtesy, so an engine that
// does not take it is no error.
func (h *Host) tell(ctx context.Context, message string) {
	conn, err := grpc.NewClient(*h.engine.Load(),
		grpc.WithTransportCredentials(insecure.NewCredentials()), rpcutil.GrpcChannelOptions())
	if err != nil {
		return
	}
	defer conn.Close()
	_, _ = pulumirpc.NewEngineClient(conn).Log(ctx, &pulumirpc.LogRequest{
		Severity: pulumirpc.LogSeverity_INFO, Message: message, Ephemeral: true,
	})
}
