package daemon

import (
	"fmt"
	"strconv"
	"strings"
)

// lockHolder finds in /proc/locks (proc(5)) who holds the flock on an inode.
func lockHolder(locks string, inode uint64) (pid int, err error) {
	for line := range strings.Lines(locks) {
		f := strings.Fields(line)
		if len(f) < 6 || f[1] != "FLOCK" || !strings.HasSuffix(f[5], ":"+strconv.FormatUint(inode, 10)) {
			continue
		}
		if pid, err := strconv.Atoi(f[4]); err == nil && pid > 0 {
			return pid, nil
		}
	}
	return 0, fmt.Errorf("finding the sandbox's process: no process holds its lock")
}
