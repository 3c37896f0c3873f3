// Package subprocess runs programs for what they print, with errors that say what they printed.
package subprocess

import (
	"bytes"
	"fmt"
	"os/exec"
	"strings"
)

// Output runs the command and returns its standard output. The error wraps that of
// [exec.Cmd.Run], and has the command line and everything that the command printed.
func Output(cmd *exec.Cmd) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		printed := strings.TrimSpace(stdout.String() + stderr.String())
		return stdout.String(), fmt.Errorf("running `%s`: %w\n%s", strings.Join(cmd.Args, " "), err, printed)
	}
	return stdout.String(), nil
}
