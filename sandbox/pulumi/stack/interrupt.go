package stack

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// The state lacks what an interrupted update last sent to the cluster. Once it is cancelled, the
// Kubernetes provider cannot read back an object that it has just changed (readLiveObject in its
// provider.go), and Pulumi keeps what was there before. The next update refreshes first.

func (s Stack) interruptFile() string { return filepath.Join(s.State.Dir, "interrupted") }

// AfterInterrupt returns the flags that an update or preview needs after an interrupted update,
// and none otherwise.
func (s Stack) AfterInterrupt() []string {
	if _, err := os.Stat(s.interruptFile()); err != nil {
		return nil
	}
	return []string{"--refresh"}
}

// NoteInterrupt remembers that an update was interrupted, until one succeeds.
func (s Stack) NoteInterrupt(interrupted, succeeded bool) error {
	switch {
	case interrupted:
		return os.WriteFile(s.interruptFile(), nil, 0o600)
	case succeeded:
		if err := os.Remove(s.interruptFile()); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
