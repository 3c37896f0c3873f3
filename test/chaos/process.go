package chaos

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"example.com/grpc-edge/measure/machine"
)

// process describes a process as it was when it was found.
type process struct {
	pid, parent int
	args        []string
	cgroup      string
}

// daemonInfo holds fields of the file that the sandbox's daemon writes (sandbox/daemon).
type daemonInfo struct {
	PID             int
	NextEnvoyDigest string
}

func (s *Sandbox) daemon() (info daemonInfo, err error) {
	text, err := os.ReadFile(filepath.Join(s.Dir, ".sandbox", "daemon.json"))
	if err != nil {
		return info, err
	}
	err = json.Unmarshal(text, &info)
	return info, err
}

func (p process) program() string { return filepath.Base(p.args[0]) }

// processes returns the descendants of the sandbox's daemon, whose PID is in its state
// folder. Events touch no other processes.
func (s *Sandbox) processes() ([]process, error) {
	daemon, err := s.daemon()
	if err != nil {
		return nil, err
	}
	tree, err := tree(daemon.PID)
	return slices.DeleteFunc(tree, func(p process) bool { return p.pid == daemon.PID }), err
}

// tree returns a process and its descendants.
func tree(root int) ([]process, error) {
	found, err := machine.Tree{Root: machine.Process(root)}.Processes()
	var list []process
	for _, p := range found {
		if args := p.Args(); len(args) > 0 { // otherwise it has ended
			list = append(list, process{int(p), int(p.Parent()), args, p.Cgroup()})
		}
	}
	return list, err
}

// find returns the sandbox's processes that want accepts. It fails if there are none.
func (s *Sandbox) find(what string, want func(process) bool) ([]process, error) {
	all, err := s.processes()
	if err != nil {
		return nil, err
	}
	found := slices.DeleteFunc(all, func(p process) bool { return !want(p) })
	if len(found) == 0 {
		return nil, fmt.Errorf("the sandbox has no process of %s", what)
	}
	return found, nil
}

// container returns the processes of a pod's container.
func (s *Sandbox) container(p pod, name string) ([]process, error) {
	id := p.Containers[name]
	if len(id) != 64 {
		return nil, fmt.Errorf("the pod %s has no running container %s", p.Name, name)
	}
	return s.find(p.Name+"/"+name, func(p process) bool { return strings.Contains(p.cgroup, id) })
}

// kubelet returns a node's kubelet. Its parent is the first process of the node's VM.
func (s *Sandbox) kubelet(node string) (process, error) {
	found, err := s.find("node "+node, func(p process) bool {
		return p.program() == "kubelet" && slices.Contains(p.args, "--hostname-override="+node)
	})
	if err != nil {
		return process{}, err
	}
	return found[0], nil
}

// called returns a node that has clients' connections, and its kubelet.
func (s *Sandbox) called(ctx context.Context) (string, process, error) {
	pods, err := s.pods(ctx, "envoy")
	if err != nil {
		return "", process{}, err
	}
	kubelet, err := s.kubelet(pods[0].Node)
	return pods[0].Node, kubelet, err
}

// program returns the processes of a program of the control plane.
func (s *Sandbox) program(name string) ([]process, error) {
	return s.find(name, func(p process) bool { return p.program() == name })
}

func signal(processes []process, with syscall.Signal) error {
	for _, p := range processes {
		if err := syscall.Kill(p.pid, with); err != nil {
			return fmt.Errorf("sending %v to process %d (%s): %w", with, p.pid, p.args[0], err)
		}
	}
	return nil
}

// pause stops processes until resume is called, or until atMost has passed. They continue
// then even if this program has ended.
func pause(processes []process, atMost time.Duration) (resume func() error, err error) {
	script := fmt.Sprintf("sleep %d; kill -CONT", int(atMost.Seconds()))
	for _, p := range processes {
		script += " " + strconv.Itoa(p.pid)
	}
	guard := exec.Command("sh", "-c", script)
	guard.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := guard.Start(); err != nil {
		return nil, err
	}
	for _, p := range processes { // one may have ended by itself
		if err := syscall.Kill(p.pid, syscall.SIGSTOP); err != nil && !errors.Is(err, syscall.ESRCH) {
			_ = signal(processes, syscall.SIGCONT)
			return nil, fmt.Errorf("stopping process %d (%s): %w", p.pid, p.args[0], err)
		}
	}
	return func() error {
		// A process may have been killed meanwhile.
		for _, p := range processes {
			_ = syscall.Kill(p.pid, syscall.SIGCONT)
		}
		_ = syscall.Kill(-guard.Process.Pid, syscall.SIGKILL)
		_ = guard.Wait()
		return nil
	}, nil
}
