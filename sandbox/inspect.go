package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"

	"example.com/grpc-edge/internal/shell"
	"example.com/grpc-edge/sandbox/node/credentialplugin"
	"example.com/grpc-edge/sandbox/pulumi/stack"
)

// namespace is the namespace of the stack's pods.
const namespace = "grpc-edge"

// preview shows what `up` would change and which rules it breaks, in Pulumi's own words.
func preview(ctx context.Context, s sandbox, _ []string) error {
	st, err := s.stack()
	if err != nil {
		return err
	}
	return s.pulumi(ctx, append([]string{"preview", "--diff", stack.PolicyPack, "--stack", stack.Name}, st.AfterInterrupt()...)...)
}

// refresh shows what differs from the state, and adopts it.
func refresh(ctx context.Context, s sandbox, _ []string) error {
	return s.pulumi(ctx, "refresh", "--yes", "--skip-preview", "--diff", "--stack", stack.Name)
}

func runPulumi(ctx context.Context, s sandbox, args []string) error { return s.pulumi(ctx, args...) }

func (s sandbox) pulumi(ctx context.Context, args ...string) error {
	st, err := s.stack()
	if err != nil {
		return err
	}
	if st, err = st.For(args); err != nil {
		return err
	}
	if err := st.Prepare(ctx); err != nil {
		return err
	}
	return attach(st.Command(ctx, args...))
}

// attach runs a program with this one's input and output. If the program fails, it has printed
// why, and this one exits with its code.
func attach(cmd *exec.Cmd) error {
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		os.Exit(exit.ExitCode())
	}
	return err
}

// objects lists what exists in the emulated cloud.
func (s sandbox) objects() ([]string, error) {
	cloud, err := s.cloud()
	if err != nil {
		return nil, err
	}
	return cloud.Objects(), nil
}

func objects(_ context.Context, s sandbox, _ []string) error {
	list, err := s.objects()
	for _, o := range list {
		fmt.Println(o)
	}
	return err
}

// status shows the daemon, the number of objects in the cloud, and all nodes, pods and Services.
func status(ctx context.Context, s sandbox, _ []string) error {
	st, err := s.stack()
	if err != nil {
		return err
	}
	fmt.Printf("The sandbox runs as process %d; its state is in %s, its log in %s.\n\n", st.Info.PID, st.State.Dir, st.State.LogFile())
	list, err := s.objects()
	if err != nil {
		return err
	}
	fmt.Printf("%d objects in the emulated cloud (`.cache/bin/sandbox objects` lists them).\n\n", len(list))
	if _, err := s.writeKubeconfig(ctx, st); err != nil {
		return err
	}
	return attach(s.kubectl(ctx, "get", "nodes,pods,services", "--all-namespaces", "--output", "wide"))
}

// logs shows the newest lines of every pod of the stack, or of one app.
func logs(ctx context.Context, s sandbox, args []string) error {
	st, err := s.stack()
	if err != nil {
		return err
	}
	if _, err := s.writeKubeconfig(ctx, st); err != nil {
		return err
	}
	selector := "app.kubernetes.io/name"
	if len(args) > 0 {
		selector += "=" + args[0]
	}
	return attach(s.kubectl(ctx, "logs", "--namespace", namespace, "--selector", selector, "--prefix", "--tail", "20", "--max-log-requests", "50"))
}

func (s sandbox) kubeconfigFile() string { return filepath.Join(s.state.Dir, "kubeconfig") }

// kubectl returns the command that runs kubectl on the cluster.
func (s sandbox) kubectl(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, s.tools.Bin("kubectl"), append([]string{"--kubeconfig", s.kubeconfigFile()}, args...)...)
	// kubectl's cache goes with the sandbox, not to the home folder.
	cmd.Env = append(os.Environ(), "KUBECACHEDIR="+filepath.Join(s.state.Dir, "kubectl"))
	return cmd
}

// kubeconfig writes the stack's kubeconfig for plain kubectl.
func kubeconfig(ctx context.Context, s sandbox, _ []string) error {
	st, err := s.stack()
	if err != nil {
		return err
	}
	file, err := s.writeKubeconfig(ctx, st)
	if err != nil {
		return err
	}
	fmt.Println("export KUBECONFIG=" + shell.Quote(file))
	if _, err := exec.LookPath("kubectl"); err != nil {
		fmt.Fprintf(os.Stderr, "kubectl is not on your PATH; this one fits: %s\n", s.tools.Bin("kubectl"))
	}
	return nil
}

// writeKubeconfig writes the stack's own kubeconfig, with the auth plugin at the
// place that it has here, since a user's PATH lacks it.
func (s sandbox) writeKubeconfig(ctx context.Context, st stack.Stack) (file string, err error) {
	outputs, err := st.Outputs(ctx)
	if err != nil {
		return "", err
	}
	text, err := kubeconfigText(outputs["kubeconfig"])
	if err != nil {
		return "", err
	}
	config, err := clientcmd.Load(text)
	if err != nil {
		return "", fmt.Errorf("reading the output kubeconfig: %w", err)
	}
	for _, user := range config.AuthInfos {
		if user.Exec != nil && user.Exec.Command == credentialplugin.AuthPlugin {
			user.Exec.Command = s.tools.Bin(credentialplugin.AuthPlugin)
		}
	}
	return s.kubeconfigFile(), clientcmd.WriteToFile(*config, s.kubeconfigFile())
}

// kubeconfigText accepts YAML text, and what Pulumi makes of JSON text.
func kubeconfigText(output any) ([]byte, error) {
	switch v := output.(type) {
	case nil:
		return nil, errors.New("the stack has no output kubeconfig: is it deployed? Try `make up`")
	case string:
		return []byte(v), nil
	default:
		return json.Marshal(v)
	}
}
