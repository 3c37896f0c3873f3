// Package run runs an image on this machine as a pod would, without a container
// engine, and reports which rules of docs/contract.md the program breaks.
//
// The program has a read-only root, the user and the variables of pods, and process
// IDs and mounts of its own. It shares the network with the machine. The package needs
// Linux, root, and util-linux.
package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"example.com/grpc-edge/cmd/contract/check"
	"example.com/grpc-edge/internal/subprocess"
)

// Program describes a running image.
type Program struct {
	// Port is the port that the program was told to listen on.
	Port int
	// Budget is the time that the program was told it has to stop.
	Budget time.Duration

	command *exec.Cmd
	output  *output
	ended   chan struct{} // closed once err is set
	err     error
}

// Options holds the settings that differ between programs.
type Options struct {
	// Environment lists further variables, as NAME=value.
	Environment []string
	// Command replaces the ENTRYPOINT of the image, and its CMD. Args replaces its CMD alone.
	Command, Args []string
	// Port is the port to listen on. If it is taken or 0, the system chooses one.
	Port int
	// Budget is TERMINATION_BUDGET; default 5 seconds.
	Budget time.Duration
	// Files holds the contents of files that the pod has besides those of the image, by
	// their path. Scratch holds the sizes of writable folders, in bytes, by their path.
	Files   map[string][]byte
	Scratch map[string]int64
}

// container begins the program of an image as one: mounts, a few devices, then the
// user. Its arguments are the root, the user, the folder to begin in, the number of scratch
// folders with the size and path of each, and the program.
const container = `
root=$1 user=$2 dir=$3 scratch=$4 path=$PATH; shift 4
PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
mount --bind "$root" "$root"; cd "$root"; mkdir -p proc dev
mount -t proc proc proc
mount -t tmpfs -o size=64k tmpfs dev
for d in null zero full random urandom; do touch dev/$d; mount --bind /dev/$d dev/$d; done
while [ $scratch -gt 0 ]; do mount -t tmpfs -o size=$1,mode=0777 tmpfs ".$2"; shift 2; scratch=$((scratch-1)); done
mount -o remount,ro,bind dev; mount -o remount,ro,bind "$root"
setpriv=$(command -v setpriv) unshare=$(command -v unshare) PATH=$path
exec "$setpriv" --no-new-privs "$unshare" --root="$root" --wd="$dir" --setgid "$user" --setuid "$user" -- "$@"
`

// Start unpacks the image into a folder, and starts its program. The folder must be
// empty, and users other than root must be able to reach it. Stop ends the program.
func Start(ctx context.Context, image v1.Image, folder string, options Options) (*Program, error) {
	file, err := image.ConfigFile()
	if err != nil {
		return nil, fmt.Errorf("reading the configuration of the image: %w", err)
	}
	if err := unpack(ctx, image, folder); err != nil {
		return nil, err
	}
	if err := add(folder, options); err != nil {
		return nil, err
	}
	port, err := freePort(options.Port)
	if err != nil {
		return nil, err
	}
	p := &Program{Port: port, Budget: options.Budget, output: &output{}, ended: make(chan struct{})}
	if p.Budget == 0 {
		p.Budget = 5 * time.Second
	}
	dir := file.Config.WorkingDir
	if dir == "" {
		dir = "/"
	}
	variables := environment([]string{fmt.Sprintf("PORT=%d", port), "TERMINATION_BUDGET=" + p.Budget.String(), "MAX_CALLS=0"}, options.Environment)
	arguments := []string{"--mount", "--pid", "--fork", "--kill-child", "sh", "-ec", container, "sh", folder, strconv.Itoa(check.User), dir, strconv.Itoa(len(options.Scratch))}
	for _, path := range slices.Sorted(maps.Keys(options.Scratch)) {
		arguments = append(arguments, strconv.FormatInt(options.Scratch[path], 10), path)
	}
	for _, word := range program(file.Config, options) {
		arguments = append(arguments, expand(word, variables))
	}
	p.command = exec.Command("unshare", arguments...)
	p.command.Env = append(file.Config.Env, variables...)
	p.command.Stdout, p.command.Stderr = p.output, p.output
	if err := p.command.Start(); err != nil {
		return nil, fmt.Errorf("starting the image: %w", err)
	}
	go func() {
		p.err = p.command.Wait()
		close(p.ended)
	}()
	return p, nil
}

// add creates the files and the mount points that a pod has besides those of its image.
func add(folder string, options Options) error {
	root, err := os.OpenRoot(folder) // no link of the image leads out of it
	if err != nil {
		return err
	}
	defer func() { _ = root.Close() }() // only a folder
	for file, content := range options.Files {
		within := strings.TrimPrefix(file, "/")
		if err := root.MkdirAll(path.Dir(within), 0o755); err != nil {
			return fmt.Errorf("creating the folder of %s: %w", file, err)
		}
		if err := root.WriteFile(within, content, 0o644); err != nil {
			return fmt.Errorf("writing %s: %w", file, err)
		}
	}
	for scratch := range options.Scratch {
		if err := root.MkdirAll(strings.TrimPrefix(scratch, "/"), 0o755); err != nil {
			return fmt.Errorf("creating the scratch folder %s: %w", scratch, err)
		}
	}
	return nil
}

// environment returns the variables of the platform and those of the service, which may refer to
// variables before them.
func environment(platform, service []string) []string {
	list := platform
	for _, variable := range service {
		list = append(list, expand(variable, list))
	}
	return list
}

// reference matches a reference to a variable, and an escaped dollar sign.
var reference = regexp.MustCompile(`\$\$|\$\([A-Za-z_][A-Za-z0-9_]*\)`)

// expand replaces $(NAME) by the value of a variable, as Kubernetes does in a container's
// command, args and env (Kubernetes, "Define Dependent Environment Variables"). A reference to a
// variable that is not there stays, and $$ is a dollar sign.
func expand(text string, variables []string) string {
	return reference.ReplaceAllStringFunc(text, func(found string) string {
		if found == "$$" {
			return "$"
		}
		name := strings.TrimSuffix(strings.TrimPrefix(found, "$("), ")")
		for _, variable := range slices.Backward(variables) {
			if value, ok := strings.CutPrefix(variable, name+"="); ok {
				return value
			}
		}
		return found
	})
}

// program returns what a pod runs (Kubernetes, "Define a Command and Arguments for a Container").
func program(config v1.Config, options Options) []string {
	switch {
	case len(options.Command) > 0:
		return slices.Concat(options.Command, options.Args)
	case len(options.Args) > 0:
		return slices.Concat(config.Entrypoint, options.Args)
	}
	return slices.Concat(config.Entrypoint, config.Cmd)
}

// unpack writes the files of an image into a folder, with their owners.
func unpack(ctx context.Context, image v1.Image, folder string) error {
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	files := mutate.Extract(image)
	defer files.Close()
	tar := exec.CommandContext(ctx, "tar", "-x", "--numeric-owner", "-C", folder)
	tar.Stdin = files
	if _, err := subprocess.Output(tar); err != nil {
		return fmt.Errorf("unpacking the image into %s: %w", folder, err)
	}
	return nil
}

// Log returns what the program has written so far.
func (p *Program) Log() string { return p.output.String() }

// Ended reports whether the program has ended, and with what exit code.
func (p *Program) Ended() (code int, ended bool) {
	select {
	case <-p.ended:
		return p.command.ProcessState.ExitCode(), true
	default:
		return 0, false
	}
}

// Terminate sends SIGTERM, as Kubernetes does.
func (p *Program) Terminate() error {
	child, err := p.child()
	if err != nil {
		return err
	}
	return syscall.Kill(child, syscall.SIGTERM)
}

// child returns the process ID of the program, whose parent is unshare.
func (p *Program) child() (int, error) {
	parent := p.command.Process.Pid
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(parent), "task", strconv.Itoa(parent), "children"))
	if err != nil {
		return 0, err
	}
	children := strings.Fields(string(text))
	if len(children) != 1 {
		return 0, fmt.Errorf("looking for the program: unshare has %d children, want 1", len(children))
	}
	return strconv.Atoi(children[0])
}

// Wait returns true once the program has ended, and false if it still runs after a time.
func (p *Program) Wait(atMost time.Duration) bool {
	select {
	case <-p.ended:
		return true
	case <-time.After(atMost):
		return false
	}
}

// Stop ends the program at once, if it still runs.
func (p *Program) Stop() error {
	if _, ended := p.Ended(); ended {
		return nil
	}
	// Killing the first process of the program's namespace ends all of them. A program that
	// has changed its user is not told when unshare ends.
	child, err := p.child()
	if err != nil {
		child = p.command.Process.Pid
	}
	if err := syscall.Kill(child, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		return err
	}
	<-p.ended
	return nil
}

// output keeps what a program writes.
type output struct {
	mu   sync.Mutex
	text bytes.Buffer
}

// maxOutput is the size, in bytes, from which further output of a program is dropped.
const maxOutput = 1 << 20

// Write implements io.Writer.
func (o *output) Write(text []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.text.Len() < maxOutput {
		o.text.Write(text)
	}
	return len(text), nil
}

// String returns what was written.
func (o *output) String() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}
