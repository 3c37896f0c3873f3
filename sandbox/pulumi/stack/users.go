package stack

import (
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// users counts, by path, the files that mark this process as a user of a stack.
var users = struct {
	sync.Mutex
	files map[string]int
}{files: map[string]int{}}

// alone marks this process as a user of the stack until it ends, and reports whether it is the
// only one. The programs that it starts inherit the mark, so a Pulumi that has outlived its
// starter counts too.
func (s Stack) alone() (bool, error) {
	users.Lock()
	defer users.Unlock()
	path := filepath.Join(s.State.Dir, "pulumi.lock")
	file, known := users.files[path]
	if !known {
		var err error
		// Not closed on exec, unlike what package os opens.
		if file, err = unix.Open(path, unix.O_CREAT|unix.O_RDWR, 0o600); err != nil {
			return false, fmt.Errorf("opening %s: %w", path, err)
		}
		users.files[path] = file
	}
	err := unix.Flock(file, unix.LOCK_EX|unix.LOCK_NB)
	alone := err == nil
	if err != nil && !errors.Is(err, unix.EWOULDBLOCK) {
		return false, fmt.Errorf("locking %s: %w", path, err)
	}
	if err := unix.Flock(file, unix.LOCK_SH); err != nil {
		return false, fmt.Errorf("locking %s: %w", path, err)
	}
	return alone, nil
}
