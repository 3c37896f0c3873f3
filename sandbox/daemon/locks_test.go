package daemon

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

func TestFlockers(t *testing.T) {
	t.Parallel()
	locks, err := os.ReadFile("testdata/locks")
	if err != nil {
		t.Fatal(err)
	}
	tests := map[string]struct {
		inode uint64
		pids  []int
	}{
		"held, with others waiting":       {1048602, []int{4711}},
		"another kind of lock":            {1048603, nil},
		"the end of another inode":        {8602, nil},
		"by a process of another machine": {1048604, nil},
		"shared, on two file systems":     {1048605, []int{4712, 4714}},
		"unlocked":                        {1, nil},
	}
	for name, test := range tests {
		if pids := flockers(string(locks), test.inode); !slices.Equal(pids, test.pids) {
			t.Errorf("%s: got processes %v, want %v", name, pids, test.pids)
		}
	}
}

func TestLockHolder(t *testing.T) {
	t.Parallel()
	f, err := os.Create(filepath.Join(t.TempDir(), "lock"))
	if err != nil {
		t.Fatal(err)
	}
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	// The first process has a lock on another file system's file of the same number.
	locks := ""
	for i, pid := range []int{os.Getppid(), os.Getpid()} {
		locks += fmt.Sprintf("%d: FLOCK  ADVISORY  WRITE %d 08:0%d:%d 0 EOF\n", i, pid, i, info.Sys().(*syscall.Stat_t).Ino)
	}
	if pid, err := lockHolder(locks, info); err != nil || pid != os.Getpid() {
		t.Errorf("got process %d (%v), want %d", pid, err, os.Getpid())
	}
	f.Close()
	if pid, err := lockHolder(locks, info); err == nil {
		t.Errorf("got process %d, and none has the file open", pid)
	}
}
