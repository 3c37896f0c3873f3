package vm

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

const cgroupRoot = "/sys/fs/cgroup"

// others is the cgroup of all processes that are in the root of a container's hierarchy.
const others = "grpc-edge-others"

// Cgroup is a path below the root of every cgroup hierarchy of the host: one
// hierarchy where it has cgroup v2, one for each controller where it has v1.
type Cgroup string

// changing guards the root of the hierarchies: while one cgroup is made, the last other one
// may be removed.
var changing sync.Mutex

// Add creates the cgroup where it is missing and moves process pid into it.
func (c Cgroup) Add(pid int) error {
	changing.Lock()
	defer changing.Unlock()
	for _, h := range hierarchies() {
		if err := h.clearRoot(); err != nil {
			return err
		}
		dir := filepath.Join(h.dir, string(c))
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("creating cgroup %s: %w", dir, err)
		}
		if err := h.inherit(string(c)); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte(strconv.Itoa(pid)), 0o644); err != nil {
			return fmt.Errorf("joining cgroup %s: %w", dir, err)
		}
	}
	return nil
}

// Remove removes the cgroup and all below it. Processes in it must have ended;
// the kernel may take a moment to notice that, which Remove waits for.
func (c Cgroup) Remove() error {
	changing.Lock()
	defer changing.Unlock()
	var errs []error
	for _, h := range hierarchies() {
		errs = append(errs, removeTree(filepath.Join(h.dir, string(c))), h.restoreRoot())
	}
	return errors.Join(errs...)
}

// clearRoot moves the processes out of the root of a container's hierarchy. In a container
// the root is a cgroup like any other, and one with processes cannot hand controllers down
// to its children (kernel, "Control Group v2", no internal processes).
func (h hierarchy) clearRoot() error {
	if !h.v2 {
		return nil
	}
	if _, err := os.Stat(filepath.Join(h.dir, "cgroup.type")); err != nil {
		return nil // the machine's own root, which may have both
	}
	if list, err := os.ReadFile(filepath.Join(h.dir, "cgroup.procs")); err != nil || len(list) == 0 {
		return err
	}
	target := filepath.Join(h.dir, others)
	if err := os.MkdirAll(target, 0o755); err != nil {
		return fmt.Errorf("creating cgroup %s: %w", target, err)
	}
	return moveProcesses(h.dir, target)
}

// restoreRoot moves back the processes that clearRoot moved, once no cgroup is left that they
// would block.
func (h hierarchy) restoreRoot() error {
	from := filepath.Join(h.dir, others)
	if _, err := os.Stat(from); !h.v2 || err != nil {
		return nil
	}
	entries, err := os.ReadDir(h.dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.IsDir() && e.Name() != others {
			return nil
		}
	}
	enabled, err := os.ReadFile(filepath.Join(h.dir, "cgroup.subtree_control"))
	if err != nil {
		return err
	}
	for _, c := range strings.Fields(string(enabled)) {
		if err := os.WriteFile(filepath.Join(h.dir, "cgroup.subtree_control"), []byte("-"+c), 0o644); err != nil {
			return fmt.Errorf("taking the controller %s back from the children of %s: %w", c, h.dir, err)
		}
	}
	if err := moveProcesses(from, h.dir); err != nil {
		return err
	}
	return removeTree(from)
}

// moveProcesses moves all processes from one cgroup to another, those that start meanwhile
// included.
func moveProcesses(from, to string) error {
	for range 50 {
		list, err := os.ReadFile(filepath.Join(from, "cgroup.procs"))
		if err != nil || len(list) == 0 {
			return err
		}
		for pid := range strings.FieldsSeq(string(list)) {
			err := os.WriteFile(filepath.Join(to, "cgroup.procs"), []byte(pid), 0o644)
			if err != nil && !errors.Is(err, unix.ESRCH) { // it has ended
				return fmt.Errorf("moving process %s to cgroup %s: %w", pid, to, err)
			}
		}
	}
	return fmt.Errorf("moving the processes of cgroup %s to %s: new ones keep starting", from, to)
}

func removeTree(dir string) error {
	var dirs []string
	err := filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.IsDir() {
			dirs = append(dirs, path)
		}
		return nil // a cgroup that vanishes meanwhile is what is wanted
	})
	for i := len(dirs) - 1; i >= 0; i-- {
		for try := 0; ; try++ {
			err = unix.Rmdir(dirs[i])
			if err == nil || errors.Is(err, unix.ENOENT) {
				err = nil
				break
			}
			if try == 50 {
				return fmt.Errorf("removing cgroup %s: %w", dirs[i], err)
			}
			time.Sleep(100 * time.Millisecond)
		}
	}
	return err
}

type hierarchy struct {
	dir     string
	options string // controllers as in /proc/self/mountinfo; empty on cgroup v2
	v2      bool
}

// hierarchies reads the mounted cgroup hierarchies. A v2 hierarchy beside v1
// ones has no controllers ("hybrid"), but is a hierarchy all the same.
func hierarchies() []hierarchy {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return nil
	}
	var list []hierarchy
	for line := range strings.Lines(string(mounts)) {
		f := strings.Fields(line)
		if len(f) < 4 || !strings.HasPrefix(f[1], cgroupRoot) {
			continue
		}
		switch f[2] {
		case "cgroup2":
			list = append(list, hierarchy{dir: f[1], v2: true})
		case "cgroup":
			list = append(list, hierarchy{dir: f[1], options: controllers(f[3])})
		}
	}
	return list
}

func controllers(mountOptions string) string {
	var keep []string
	for o := range strings.SplitSeq(mountOptions, ",") {
		switch o {
		case "rw", "ro", "nosuid", "nodev", "noexec", "relatime", "noatime", "xattr", "release_agent", "clone_children":
		default:
			keep = append(keep, o)
		}
	}
	return strings.Join(keep, ",")
}

// inherit makes a new cgroup usable: v1 cpusets start empty, and v2 cgroups have
// only the controllers that their parents hand down.
func (h hierarchy) inherit(path string) error {
	parent := h.dir
	for part := range strings.SplitSeq(path, "/") {
		child := filepath.Join(parent, part)
		switch {
		case h.v2:
			handDown(parent)
		case strings.Contains(h.options, "cpuset"):
			for _, file := range []string{"cpuset.cpus", "cpuset.mems"} {
				value, err := os.ReadFile(filepath.Join(parent, file))
				if err != nil {
					return err
				}
				if err := os.WriteFile(filepath.Join(child, file), value, 0o644); err != nil {
					return fmt.Errorf("setting %s of cgroup %s: %w", file, child, err)
				}
			}
		}
		parent = child
	}
	return nil
}

// handDown enables what it can: in a hybrid setup there is nothing to enable,
// and kubelet names the controller that it misses.
func handDown(dir string) {
	available, err := os.ReadFile(filepath.Join(dir, "cgroup.controllers"))
	if err != nil {
		return
	}
	for _, c := range strings.Fields(string(available)) {
		_ = os.WriteFile(filepath.Join(dir, "cgroup.subtree_control"), []byte("+"+c), 0o644)
	}
}

// mountSys gives the VM a /sys of its own network namespace and, below it,
// cgroup hierarchies that begin at the VM's own cgroup.
func mountSys() error {
	list := hierarchies() // before /sys is covered
	if err := unix.Unshare(unix.CLONE_NEWCGROUP); err != nil {
		return fmt.Errorf("creating a cgroup namespace: %w", err)
	}
	if err := unix.Mount("sysfs", "/sys", "sysfs", unix.MS_NOSUID|unix.MS_NODEV|unix.MS_NOEXEC, ""); err != nil {
		return fmt.Errorf("mounting /sys: %w", err)
	}
	if len(list) == 1 && list[0].v2 {
		if err := unix.Mount("cgroup2", cgroupRoot, "cgroup2", 0, ""); err != nil {
			return fmt.Errorf("mounting %s: %w", cgroupRoot, err)
		}
		return leaf()
	}
	if err := unix.Mount("tmpfs", cgroupRoot, "tmpfs", 0, "mode=0755"); err != nil {
		return fmt.Errorf("mounting %s: %w", cgroupRoot, err)
	}
	for _, h := range list {
		if h.v2 {
			continue // without controllers there is nothing in it for kubelet
		}
		if err := os.MkdirAll(h.dir, 0o755); err != nil {
			return err
		}
		if err := unix.Mount("cgroup", h.dir, "cgroup", 0, h.options); err != nil {
			return fmt.Errorf("mounting %s: %w", h.dir, err)
		}
	}
	return nil
}

// leaf moves the first process out of the VM's root cgroup, because a v2
// cgroup with processes can't hand controllers down to its children.
func leaf() error {
	dir := filepath.Join(cgroupRoot, "init")
	if err := os.Mkdir(dir, 0o755); err != nil && !errors.Is(err, fs.ErrExist) {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, "cgroup.procs"), []byte("1"), 0o644); err != nil {
		return fmt.Errorf("moving the first process into cgroup %s: %w", dir, err)
	}
	handDown(cgroupRoot)
	return nil
}
