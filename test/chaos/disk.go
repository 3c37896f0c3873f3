package chaos

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// fillDisk fills the disk of a node that has clients' connections, and waits until kubelet
// reports DiskPressure. kubelet evicts pods until the file is removed, because evictions
// do not free the space.
func fillDisk(ctx context.Context, s *Sandbox) error {
	node, kubelet, err := s.called(ctx)
	if err != nil {
		return err
	}
	file := fmt.Sprintf("/proc/%d/root/var/lib/full", kubelet.pid)
	size, err := fill(file, filepath.Join(s.Dir, ".sandbox"))
	if err != nil {
		return errors.Join(err, os.RemoveAll(file))
	}
	s.undo = func() error { return s.emptied(context.WithoutCancel(ctx), node, file) }
	s.note("%d MiB filled the disk of %s", size>>20, node)
	return s.pressure(ctx, node, "True", time.Minute)
}

// fill writes a file until its file system is full, and returns the size in bytes. It
// fails if folder is on the same file system.
func fill(file, folder string) (size int, err error) {
	f, err := os.Create(file)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	var filled, spared syscall.Stat_t
	if err := errors.Join(syscall.Fstat(int(f.Fd()), &filled), syscall.Stat(folder, &spared)); err != nil {
		return 0, err
	}
	if filled.Dev == spared.Dev {
		return 0, errors.New("the node has no disk of its own, and the machine's is not to be filled: was the sandbox started with SANDBOX_NODE_DISK?")
	}
	for part := make([]byte, 1<<20); ; {
		n, err := f.Write(part)
		size += n
		if errors.Is(err, syscall.ENOSPC) {
			return size, nil
		}
		if err != nil {
			return size, err
		}
	}
}

// pressure waits until the node's DiskPressure has the status.
func (s *Sandbox) pressure(ctx context.Context, node, status string, timeout time.Duration) error {
	_, err := s.kubectl(ctx, "wait", "--for=condition=DiskPressure="+status, "node/"+node, "--timeout="+timeout.String())
	return err
}

// emptied checks that pods were evicted and are ready on other nodes. It then removes the
// file that fills the node's disk, and checks that the node gets pods again.
func (s *Sandbox) emptied(ctx context.Context, node, file string) error {
	evicted, err := s.evicted(ctx, node)
	err = errors.Join(err, s.ready(ctx), os.Remove(file))
	if err != nil {
		return err
	}
	s.note("kubelet evicted %d pods, which came up on other nodes", evicted)
	begun := time.Now()
	if err := s.pressure(ctx, node, "False", 2*time.Minute); err != nil {
		return err
	}
	s.note("the node was without pressure %.0f s after its disk was", time.Since(begun).Seconds())
	if _, err := s.kubectl(ctx, "delete", "pods", "--field-selector", "status.phase=Failed"); err != nil {
		return err
	}
	return s.refilled(ctx, node)
}

// evicted returns the number of pods evicted from the node. It fails if there are none.
func (s *Sandbox) evicted(ctx context.Context, node string) (int, error) {
	text, err := s.kubectl(ctx, "get", "pods", "--field-selector", "status.phase=Failed,spec.nodeName="+node, "--output", `jsonpath={.items[?(@.status.reason=="Evicted")].metadata.name}`)
	n := len(strings.Fields(text))
	if err == nil && n == 0 {
		err = fmt.Errorf("kubelet evicted no pod from %s", node)
	}
	return n, err
}

// refilled deletes one pod of each app that has none on the node and two on another. The
// spread of pods places the new one on the node. At least one app must get a pod there.
func (s *Sandbox) refilled(ctx context.Context, node string) error {
	for _, app := range Apps {
		pods, err := s.pods(ctx, app)
		if err != nil {
			return err
		}
		names := map[string]string{} // by node
		for _, p := range pods {
			if _, two := names[p.Node]; two && names[node] == "" {
				_, err = s.kubectl(ctx, "delete", "pod", p.Name)
				break
			}
			names[p.Node] = p.Name
		}
		if err != nil {
			return err
		}
	}
	if err := s.ready(ctx); err != nil {
		return err
	}
	for _, app := range Apps {
		pods, err := s.pods(ctx, app)
		if err != nil {
			return err
		}
		for _, p := range pods {
			if p.Node == node {
				return nil
			}
		}
	}
	return fmt.Errorf("node %s got no pod again", node)
}
