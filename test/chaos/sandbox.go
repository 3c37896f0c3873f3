package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"example.com/grpc-edge/internal/stackfile"
	"example.com/grpc-edge/internal/subprocess"
	"example.com/grpc-edge/internal/wait"
	"example.com/grpc-edge/internal/workcopy"
	"example.com/grpc-edge/measure/loadgen"
)

// Sandbox is a running sandbox in a copy of the repository. Events may change the copy.
type Sandbox struct {
	// Dir is the copy's folder.
	Dir string
	// Log receives every command with its output.
	Log io.Writer
	// Target describes how to call the edge.
	Target loadgen.Target
	// Images holds the references of the deployed images by service.
	Images map[string]string

	notes  []string // of the event that happens
	series []Series
	undo   func() error       // undoes the event, if it does not end by itself
	kept   map[string]*[]byte // files as they were before the event, by name; nil for none
}

// note adds a measurement to the outcome of the event.
func (s *Sandbox) note(format string, args ...any) {
	s.notes = append(s.notes, fmt.Sprintf(format, args...))
}

// Open reads the outputs of the running sandbox, and writes its kubeconfig.
func Open(ctx context.Context, dir string, log io.Writer) (*Sandbox, error) {
	s := &Sandbox{Dir: dir, Log: log, kept: map[string]*[]byte{}}
	if err := s.readOutputs(ctx); err != nil {
		return nil, err
	}
	_, err := s.run(ctx, ".cache/bin/sandbox", "kubeconfig")
	return s, err
}

func (s *Sandbox) readOutputs(ctx context.Context) error {
	text, err := s.pulumi(ctx, "stack", "output", "--json")
	if err != nil {
		return err
	}
	var outputs struct{ Images map[string]string }
	if err := json.Unmarshal([]byte(text), &outputs); err != nil {
		return fmt.Errorf("reading the stack's outputs: %w", err)
	}
	s.Images = outputs.Images
	s.Target, err = loadgen.TargetOf([]byte(text))
	return err
}

// run runs a command in the folder and returns its standard output.
func (s *Sandbox) run(ctx context.Context, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = s.Dir, workcopy.Environment(s.Dir)
	// Each command has a session of its own, which includes Pulumi's engine. The engine
	// gets SIGINT too, and finishes what it has begun.
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Cancel, cmd.WaitDelay = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGINT) }, 3*time.Minute
	return subprocess.Logged(cmd, s.Log)
}

func (s *Sandbox) pulumi(ctx context.Context, args ...string) (string, error) {
	return s.run(ctx, ".cache/bin/sandbox", append([]string{"pulumi", "--"}, args...)...)
}

func (s *Sandbox) kubectl(ctx context.Context, args ...string) (string, error) {
	return s.run(ctx, ".cache/bin/kubectl", append([]string{"--kubeconfig", filepath.Join(s.Dir, ".sandbox", "kubeconfig"), "--namespace", "grpc-edge"}, args...)...)
}

// Up sets keys of the stack's config, starts the sandbox, and opens it. Before that it
// runs the sandbox's commands in tools, which fetch what only some events need.
func Up(ctx context.Context, dir string, config map[string]string, tools []string, log io.Writer) (*Sandbox, error) {
	s := &Sandbox{Dir: dir, Log: log, kept: map[string]*[]byte{}}
	for _, tool := range tools {
		if _, err := s.run(ctx, ".cache/bin/sandbox", tool); err != nil {
			return nil, err
		}
	}
	if err := s.configure(config); err != nil {
		return nil, err
	}
	if _, err := s.run(ctx, "make", "up"); err != nil {
		return nil, err
	}
	return Open(ctx, dir, log)
}

// Down removes the sandbox.
func (s *Sandbox) Down(ctx context.Context) error {
	_, err := s.run(ctx, "make", "down")
	return err
}

// up deploys the copy's files with `make up`. In production, a deployment runs on another
// machine than the cluster. Here both share cores, so the deployment gets the lowest
// priority: Linux sets it for a whole session (sched(7), "The autogroup feature").
func (s *Sandbox) up(ctx context.Context) error {
	_, err := s.run(ctx, "sh", "-c", "{ echo 19 > /proc/self/autogroup; } 2>/dev/null; exec nice -n 19 make up")
	return err
}

// deploy sets keys of the stack's config, and deploys.
func (s *Sandbox) deploy(ctx context.Context, config map[string]string) error {
	if err := s.configure(config); err != nil {
		return err
	}
	return s.up(ctx)
}

// write replaces the content of a file, until revert.
func (s *Sandbox) write(file string, content []byte) error {
	path := filepath.Join(s.Dir, filepath.FromSlash(file))
	if _, again := s.kept[file]; !again {
		switch old, err := os.ReadFile(path); {
		case err == nil:
			s.kept[file] = &old
		case errors.Is(err, fs.ErrNotExist):
			s.kept[file] = nil
		default:
			return err
		}
	}
	return os.WriteFile(path, content, 0o600)
}

// edit replaces a text in a file. It fails if the file does not contain the text.
func (s *Sandbox) edit(file, old, replacement string) error {
	path := filepath.Join(s.Dir, filepath.FromSlash(file))
	content, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if !strings.Contains(string(content), old) {
		return fmt.Errorf("%s does not contain %q: adapt this event", path, old)
	}
	return s.write(file, []byte(strings.Replace(string(content), old, replacement, 1)))
}

// revert restores all files from before the event, uncordons all nodes, and deploys.
func (s *Sandbox) revert(ctx context.Context) error {
	for file, old := range s.kept {
		path := filepath.Join(s.Dir, filepath.FromSlash(file))
		if old == nil {
			if err := os.Remove(path); err != nil {
				return err
			}
			continue
		}
		if err := os.WriteFile(path, *old, 0o600); err != nil {
			return err
		}
	}
	s.kept = map[string]*[]byte{}
	nodes, err := s.nodes(ctx)
	if err == nil {
		_, err = s.kubectl(ctx, append([]string{"uncordon"}, nodes...)...)
	}
	return errors.Join(err, s.up(ctx), s.readOutputs(ctx))
}

// healthy waits until all nodes and pods are ready, and checks that no node is cordoned. So
// no event starts with the damage of another.
func (s *Sandbox) healthy(ctx context.Context) error {
	if _, err := s.kubectl(ctx, "wait", "--for=condition=Ready", "nodes", "--all", "--timeout=120s"); err != nil {
		return err
	}
	cordoned, err := s.kubectl(ctx, "get", "nodes", "--field-selector", "spec.unschedulable=true", "--output", "name")
	if err == nil && cordoned != "" {
		err = fmt.Errorf("it leaves nodes that take no pods: %s", cordoned)
	}
	return errors.Join(err, s.ready(ctx))
}

// Eventually retries every half second until there is no error, or limit has passed.
func Eventually(ctx context.Context, limit time.Duration, try func() error) error {
	for begun := time.Now(); ; {
		err := try()
		if err == nil {
			return nil
		}
		if time.Since(begun) > limit {
			return fmt.Errorf("after %s: %w", limit, err)
		}
		if err := wait.For(ctx, 500*time.Millisecond); err != nil {
			return err
		}
	}
}

// configure sets keys of the stack's config to values in YAML's flow style. An empty value
// removes the key.
func (s *Sandbox) configure(values map[string]string) error {
	file, err := stackfile.Read(s.Dir, "sandbox")
	if err != nil {
		return err
	}
	edited, err := file.Set(values)
	if err != nil {
		return err
	}
	return s.write(file.Name(), edited)
}

// pod describes a pod.
type pod struct {
	Name, Node string
	Containers map[string]string // ID by name
}

// pods returns the running pods of an app, ordered by name. It fails if there are none.
func (s *Sandbox) pods(ctx context.Context, app string) ([]pod, error) {
	text, err := s.kubectl(ctx, "get", "pods", "--selector", "app.kubernetes.io/name="+app, "--output", "json")
	if err != nil {
		return nil, err
	}
	type containerStatus struct{ Name, ContainerID string }
	var list struct {
		Items []struct {
			Metadata struct{ Name, DeletionTimestamp string }
			Spec     struct{ NodeName string }
			Status   struct {
				Phase                                    string
				ContainerStatuses, InitContainerStatuses []containerStatus
			}
		}
	}
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return nil, fmt.Errorf("reading the pods of %s: %w", app, err)
	}
	var pods []pod
	for _, item := range list.Items {
		if item.Metadata.DeletionTimestamp != "" || item.Status.Phase != "Running" {
			continue
		}
		p := pod{Name: item.Metadata.Name, Node: item.Spec.NodeName, Containers: map[string]string{}}
		for _, c := range append(item.Status.ContainerStatuses, item.Status.InitContainerStatuses...) {
			p.Containers[c.Name] = strings.TrimPrefix(c.ContainerID, "containerd://")
		}
		pods = append(pods, p)
	}
	if len(pods) == 0 {
		return nil, fmt.Errorf("%s has no running pod", app)
	}
	return pods, nil
}
