// Package wholefile writes files whole or not at all, so that nobody reads half of one, even after
// a crash.
package wholefile

import (
	"crypto/rand"
	"errors"
	"os"
)

// Write creates or replaces a file. The mode is before umask, as for [os.WriteFile].
func Write(path string, content []byte, mode os.FileMode) error {
	temporary := path + "." + rand.Text() // other processes may write the same file
	f, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, mode)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Sync(), f.Close())
	if err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return nil
}
