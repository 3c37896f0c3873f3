package vm

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// run runs a program in the network namespace of process pid. Only the thread
// that starts it is moved there, and that thread is never used again.
func run(ctx context.Context, pid int, stdin []byte, env, argv []string) ([]byte, error) {
	ns, err := netns.GetFromPid(pid)
	if err != nil {
		return nil, fmt.Errorf("opening the network namespace of process %d: %w", pid, err)
	}
	defer ns.Close()
	var stdout, stderr bytes.Buffer
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.Env = bytes.NewReader(stdin), &stdout, &stderr, append(os.Environ(), env...)
	err = onSpareThread(func() error {
		if err := netns.Set(ns); err != nil {
			return err
		}
		return cmd.Run()
	})
	if err != nil {
		return nil, fmt.Errorf("running `%s`: %w: %s", strings.Join(argv, " "), err, strings.TrimSpace(stderr.String()))
	}
	return stdout.Bytes(), nil
}

// onSpareThread calls f on a thread that ends with it. The process's first thread cannot end:
// f's changes to it would stay for as long as the process runs.
func onSpareThread(f func() error) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread()
		if unix.Gettid() == unix.Getpid() {
			defer runtime.UnlockOSThread()
			done <- onSpareThread(f) // on another thread, as this one is held
			return
		}
		done <- f() // without unlocking: the runtime then ends the thread
	}()
	return <-done
}
