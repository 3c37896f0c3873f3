package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"example.com/grpc-edge/sandbox/cluster"
	"example.com/grpc-edge/sandbox/daemon"
	"example.com/grpc-edge/sandbox/host"
	"example.com/grpc-edge/sandbox/node/network"
	"example.com/grpc-edge/sandbox/node/vm"
	"example.com/grpc-edge/sandbox/progress"
	"example.com/grpc-edge/sandbox/pulumi/stack"
	"example.com/grpc-edge/sandbox/rollout"
	"example.com/grpc-edge/sandbox/tools"
)

// runStage is the body of a stage.
type runStage = func(ctx context.Context, status func(string)) (string, error)

// up brings everything up. Each stage finds what is done already, so it can be
// interrupted and run again at any time.
// It stops when a pod keeps crashing. With patient, it keeps waiting.
func up(ctx context.Context, s sandbox, patient bool) error {
	p := progress.New(os.Stderr)
	st := stack.Stack{Tools: s.tools, State: s.state}
	var expect time.Duration // later runs take as long as what changed
	if !st.Exists() {
		expect = firstUp
	}
	var replies string
	stages := []progress.Stage{
		{Name: "Link plugins", Run: func(context.Context, func(string)) (string, error) { return "", s.link() }},
		{Name: "Start the sandbox", Run: func(ctx context.Context, _ func(string)) (summary string, err error) {
			st.Info, err = s.state.Start(ctx, s.self)
			return "", err
		}},
		{Name: "Run pulumi up", Expect: expect, Run: func(ctx context.Context, status func(string)) (string, error) {
			return deploy(ctx, st, status, patient)
		}},
		{Name: "Check that calls arrive", Run: func(ctx context.Context, _ func(string)) (string, error) {
			e, err := readEdge(ctx, st)
			if err != nil {
				return "", err
			}
			replies, err = e.prove(ctx, st)
			return "", err
		}},
	}
	if err := s.build(ctx, p, stages); err != nil {
		return stopped(ctx, err)
	}
	if err := p.Run(ctx, stages...); err != nil {
		return stopped(ctx, err)
	}
	p.Table()
	return printGreeting(ctx, st, replies)
}

// firstUp is the time that Pulumi takes to create the stack with two cores, most of it for
// pods to become ready (docs/benchmark-stack.md, "As services grow").
const firstUp = 75 * time.Second

// stopped returns how to go on if a person has stopped the command, and err otherwise.
func stopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("cancelled: `make up` resumes, `make down` removes everything")
	}
	return err
}

// build fetches and compiles what is missing. It says before it begins how long that takes. The
// bar includes the stages that come after it.
func (s sandbox) build(ctx context.Context, p *progress.Printer, later []progress.Stage) error {
	check := progress.Stage{Name: "Check this machine", Run: s.check}
	memory, err := host.AvailableMemory()
	if err != nil {
		return err
	}
	program := progress.Stage{Name: "Compile the Pulumi program", Run: s.compile, Expect: s.tools.Expect(tools.Program, runtime.NumCPU(), memory)}
	lanes := s.toolLanes()
	if enoughForTwo(memory) {
		lanes = append(lanes, []progress.Stage{program})
	} else {
		lanes[1] = append(lanes[1], program)
	}
	p.Plan(slices.Concat(append(lanes, later)...)...)
	if err := p.Run(ctx, check); err != nil {
		return err
	}
	fmt.Fprint(os.Stderr, s.tools.Forecast(append(tools.Stages(), tools.Program), runtime.NumCPU(), memory))
	return p.Lanes(ctx, lanes...)
}

// enoughForTwo reports whether the program can be compiled beside the tools, with this many
// bytes of free memory: its largest packages each keep one core busy for minutes, while the others
// idle.
func enoughForTwo(memory uint64) bool {
	return runtime.NumCPU() > 2 && memory >= 2*host.MinBuildMemory
}

// check refuses a machine that can't run the sandbox before anything is changed.
func (s sandbox) check(context.Context, func(string)) (string, error) {
	taken := network.Taken
	if s.state.Running() {
		taken = func() error { return nil } // what is taken is taken by this sandbox
	}
	facts, err := host.Read(s.tools.Root, taken)
	if err != nil {
		return "", err
	}
	return "", facts.Check(!s.tools.Fresh(), s.tools.Left(tools.Program) != tools.Work{})
}

// toolLanes returns the stages that get the tools: one lane fetches, and the other compiles.
func (s sandbox) toolLanes() [][]progress.Stage {
	stage := func(title, name string, run runStage) progress.Stage {
		return progress.Stage{Name: title, Run: run, Expect: s.tools.Left(name).On(runtime.NumCPU())}
	}
	fetched := []progress.Stage{
		stage("Fetch node packages", "packages", quiet(s.tools.Packages)),
		stage("Fetch Envoy", "envoy", quiet(s.tools.Envoy)),
	}
	var built []progress.Stage
	for _, name := range tools.Modules() {
		built = append(built, stage("Build "+name, name, func(ctx context.Context, status func(string)) (string, error) {
			return "", s.tools.Build(ctx, name, status)
		}))
	}
	return [][]progress.Stage{fetched, built}
}

func quiet(f func(context.Context, func(string)) error) runStage {
	return func(ctx context.Context, status func(string)) (string, error) { return "", f(ctx, status) }
}

func getTools(ctx context.Context, s sandbox, _ []string) error {
	p, lanes := progress.New(os.Stderr), s.toolLanes()
	memory, err := host.AvailableMemory()
	if err != nil {
		return err
	}
	p.Plan(slices.Concat(lanes...)...)
	fmt.Fprint(os.Stderr, s.tools.Forecast(tools.Stages(), runtime.NumCPU(), memory))
	if err := p.Lanes(ctx, lanes...); err != nil {
		return err
	}
	return s.link()
}

func getNextEnvoy(ctx context.Context, s sandbox, _ []string) error {
	return progress.New(os.Stderr).Run(ctx, progress.Stage{Name: "Fetch the next Envoy", Run: quiet(s.tools.NextEnvoy)})
}

// compile compiles the packages of the program and of its policy pack.
func (s sandbox) compile(ctx context.Context, status func(string)) (string, error) {
	status("the Google Cloud SDK takes minutes the first time")
	memory, err := host.AvailableMemory()
	if err != nil {
		return "", err
	}
	return "", s.tools.CompileProgram(ctx, memory)
}

// deploy runs `pulumi up`; its whole output goes to a file, its newest line to status.
func deploy(ctx context.Context, st stack.Stack, status func(string), patient bool) (string, error) {
	settings, err := stack.ReadSettings(st.Tools.Root)
	if err != nil {
		return "", err
	}
	if err := st.WriteHosts(settings.Region); err != nil {
		return "", err
	}
	if err := st.Prepare(ctx); err != nil {
		return "", err
	}
	file := filepath.Join(st.State.Dir, "log", "pulumi-up.log")
	log, err := os.Create(file)
	if err != nil {
		return "", err
	}
	defer log.Close()
	out := &pulumiOutput{status: status}
	running, end := context.WithCancelCause(ctx)
	defer end(nil)
	watch := func(ctx context.Context, all bool) error {
		return watchRollout(ctx, st, rollout.Watcher{Namespace: namespace, Patient: patient, Say: out.trouble, Waiting: out.waiting, All: all})
	}
	go func() {
		if err := watch(running, false); err != nil {
			end(err)
		}
	}()
	args := append([]string{"up", "--yes", "--skip-preview", "--suppress-outputs", stack.PolicyPack, "--stack", stack.Name}, st.AfterInterrupt()...)
	err = st.Run(running, io.MultiWriter(log, out), args...)
	if noted := st.NoteInterrupt(running.Err() != nil, err == nil); noted != nil {
		return "", errors.Join(err, noted)
	}
	if err != nil {
		if cause := context.Cause(running); cause != nil && ctx.Err() == nil {
			return "", fmt.Errorf("%w\nPulumi was stopped, as waiting longer would not help (`make up WAIT=1` waits). Its whole output is in %s", cause, file)
		}
		return "", fmt.Errorf("%w\n%s\nThe whole output is in %s", err, out.diagnostics(), file)
	}
	end(nil)
	if err := watch(ctx, true); err != nil {
		return "", fmt.Errorf("%w\nPulumi considered this rollout complete. Its whole output is in %s", err, file)
	}
	return out.verdict(), ctx.Err()
}

// watchRollout shows beside the stage's name which pod blocks the rollout, and why. It returns a
// failure that will not go away by itself, and nil when the watch or ctx ends.
func watchRollout(ctx context.Context, st stack.Stack, w rollout.Watcher) error {
	client, err := cluster.Client(ctx, st.State.ClustersDir())
	if err != nil {
		return nil //nolint:nilerr // ctx has ended before there was a cluster
	}
	w.Client = client
	return w.Watch(ctx)
}

// down destroys the stack, then removes the sandbox: every process, link, cgroup and file.
func down(ctx context.Context, s sandbox, _ []string) error {
	if !s.state.Exists() {
		fmt.Fprintln(os.Stderr, "There is no sandbox.")
		return nil
	}
	p := progress.New(os.Stderr)
	var leftover error
	stages := []progress.Stage{
		{Name: "Destroy the stack", Run: func(ctx context.Context, status func(string)) (summary string, err error) {
			summary, leftover = s.destroy(ctx, status)
			if leftover != nil {
				summary = "failed, see below"
			}
			return summary, ctx.Err()
		}},
		{Name: "Stop the sandbox", Run: func(ctx context.Context, _ func(string)) (string, error) { return "", s.state.Stop(ctx) }},
		{Name: "Remove its files", Run: func(context.Context, func(string)) (string, error) {
			return "", errors.Join(vm.Cgroup(daemon.CgroupParent).Remove(), os.RemoveAll(s.state.Dir))
		}},
	}
	if err := p.Run(ctx, stages...); err != nil {
		return err
	}
	p.Table()
	if leftover != nil {
		return fmt.Errorf("the sandbox is removed, but `pulumi destroy` did not end well, which on a real project would have left resources behind:\n%w", leftover)
	}
	return nil
}

// agentsGrant matches the right of a service agent of Google to use a key. It stays: other stacks of
// the project may need it (infra/encryption).
var agentsGrant = regexp.MustCompile(`^//cloudkms\.googleapis\.com/.*/iam/roles/cloudkms\.cryptoKeyEncrypterDecrypter/serviceAccount:service-`)

// destroy runs `pulumi destroy` and makes sure that the emulated cloud is empty.
func (s sandbox) destroy(ctx context.Context, status func(string)) (string, error) {
	st := stack.Stack{Tools: s.tools, State: s.state}
	if !st.Exists() {
		return "nothing was deployed", nil
	}
	var err error
	if st.Info, err = s.state.Start(ctx, s.self); err != nil {
		return "", err
	}
	if err := st.Prepare(ctx); err != nil {
		return "", err
	}
	out := &pulumiOutput{status: status}
	if err := st.Run(ctx, out, "destroy", "--yes", "--skip-preview", "--suppress-outputs", "--stack", stack.Name); err != nil {
		return "", fmt.Errorf("%w\n%s", err, out.diagnostics())
	}
	left, err := s.objects()
	if err != nil {
		return "", err
	}
	left = slices.DeleteFunc(left, agentsGrant.MatchString)
	if len(left) > 0 {
		return "", fmt.Errorf("the stack is destroyed, but these are left:\n  %s", strings.Join(left, "\n  "))
	}
	return out.verdict(), nil
}

func stop(ctx context.Context, s sandbox, _ []string) error {
	if !s.state.Running() {
		fmt.Fprintln(os.Stderr, "The sandbox is not running.")
		return nil
	}
	if err := s.state.Stop(ctx); err != nil {
		return err
	}
	fmt.Fprintln(os.Stderr, "Stopped. `make up` resumes it, `make down` removes it.")
	return nil
}

func serve(ctx context.Context, s sandbox, _ []string) error {
	settings, err := stack.ReadSettings(s.tools.Root)
	if err != nil {
		return err
	}
	return daemon.Serve(ctx, s.tools, s.state, settings.Project)
}

// readyTimeout is the time that traffic may take to flow once Pulumi has finished: for the
// health checks of the load balancer and of Envoy.
const readyTimeout = 2 * time.Minute
