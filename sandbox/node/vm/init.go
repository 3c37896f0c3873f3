package vm

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"syscall"

	"golang.org/x/sys/unix"
)

// Init runs the first process of a VM: it reads the Spec from standard input, mounts what
// the VM needs, and supervises its processes. It returns only on failure.
func Init() error {
	// A cgroup namespace belongs to one thread and those that it starts, so all must be this one.
	runtime.LockOSThread()
	var spec Spec
	if err := json.NewDecoder(os.Stdin).Decode(&spec); err != nil {
		if err == io.EOF { // the sandbox gave up before the network was there
			return nil
		}
		return fmt.Errorf("reading the VM's spec: %w", err)
	}
	if err := prepare(spec); err != nil {
		return err
	}
	slog.Info("VM is up", "name", spec.Name)
	return supervise(spec)
}

func prepare(spec Spec) error {
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	if err := unix.Mount("proc", "/proc", "proc", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mounting /proc: %w", err)
	}
	// The network namespace is new, and /sys/class/net shows the namespace of the mounter.
	if err := mountSys(); err != nil {
		return err
	}
	if err := unix.Sethostname([]byte(spec.Name)); err != nil {
		return fmt.Errorf("setting the host name: %w", err)
	}
	if err := unix.Mount("tmpfs", "/run", "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=0755"); err != nil {
		return fmt.Errorf("mounting /run: %w", err)
	}
	if err := os.MkdirAll("/run/lock", 0o755); err != nil {
		return err
	}
	for target, size := range spec.Tmpfs {
		if err := unix.Mount("tmpfs", target, "tmpfs", 0, "mode=0755,size="+size); err != nil {
			return fmt.Errorf("mounting %s of memory on %s: %w", size, target, err)
		}
	}
	for _, target := range slices.Sorted(maps.Keys(spec.Binds)) {
		if err := unix.Mount(spec.Binds[target], target, "", unix.MS_BIND|unix.MS_REC, ""); err != nil {
			return fmt.Errorf("mounting %s on %s: %w", spec.Binds[target], target, err)
		}
	}
	// Volumes that kubelet mounts must reach the containers that share them.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_SHARED, ""); err != nil {
		return fmt.Errorf("sharing mounts: %w", err)
	}
	for key, value := range spec.Sysctls {
		if err := os.WriteFile(filepath.Join("/proc/sys", key), []byte(value), 0o644); err != nil {
			return fmt.Errorf("setting sysctl %s: %w", key, err)
		}
	}
	return nil
}

// supervise starts the processes and starts each again when it ends. It also
// reaps every orphan of the VM, as a first process must, so it alone waits for children.
func supervise(spec Spec) error {
	starts := map[int]*supervised{}
	for _, p := range spec.Processes {
		s := &supervised{Process: p, logDir: spec.LogDir}
		pid, err := s.start()
		if err != nil {
			return err
		}
		starts[pid] = s
	}
	restart := make(chan *supervised)
	ended := make(chan int)
	go reap(ended)
	for {
		select {
		case pid := <-ended:
			s, ours := starts[pid]
			if !ours {
				continue
			}
			delete(starts, pid)
			slog.Warn("process ended", "name", s.Name, "pid", pid)
			s.again(restart)
		case s := <-restart:
			pid, err := s.start()
			if err != nil {
				return err
			}
			starts[pid] = s
		}
	}
}

func reap(ended chan<- int) {
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch err {
		case nil:
			ended <- pid
		case syscall.EINTR:
		default: // no child at the moment: one is about to be started again
			pause()
		}
	}
}
