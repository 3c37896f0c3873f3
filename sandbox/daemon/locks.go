package daemon

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// lockHolder finds in /proc/locks (proc(5)) who holds the flock on a file.
func lockHolder(locks string, file os.FileInfo) (pid int, err error) {
	stat, ok := file.Sys().(*syscall.Stat_t)
	if !ok {
		return 0, errors.New("finding the sandbox's process: the lock has no inode")
	}
	for _, pid := range flockers(locks, stat.Ino) {
		if opens(pid, file) {
			return pid, nil
		}
	}
	return 0, errors.New("finding the sandbox's process: no process holds its lock")
}

// flockers returns the processes that hold a flock on an inode of this number. Each file system
// has its own numbers. On some of them the device in /proc/locks differs from the device that
// stat returns.
func flockers(locks string, inode uint64) (pids []int) {
	for line := range strings.Lines(locks) {
		f := strings.Fields(line)
		if len(f) < 6 || f[1] != "FLOCK" || !strings.HasSuffix(f[5], ":"+strconv.FormatUint(inode, 10)) {
			continue
		}
		if pid, err := strconv.Atoi(f[4]); err == nil && pid > 0 {
			pids = append(pids, pid)
		}
	}
	return pids
}

// opens reports whether a process has the file open.
func opens(pid int, file os.FileInfo) bool {
	open, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid)) // none of a process that has gone
	return slices.ContainsFunc(open, func(fd string) bool {
		info, err := os.Stat(fd)
		return err == nil && os.SameFile(info, file)
	})
}
