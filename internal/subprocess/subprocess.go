// Package subprocess runs programs and returns their output. Errors hold the command line and what it printed.
package subprocess

import (
	"bytes"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// Output runs the command and returns its standard output. The error wraps that of
// [exec.Cmd.Run], and has the command line and everything that the command printed.
func Output(cmd *exec.Cmd) (string, error) { return Logged(cmd, io.Discard) }

// Logged runs the command as Output does. It also writes the command, its duration and
// everything that it printed to log.
func Logged(cmd *exec.Cmd, log io.Writer) (string, error) {
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	line, start := strings.Join(cmd.Args, " "), time.Now()
	err := cmd.Run()
	fmt.Fprintf(log, "$ %s   (%.1f s)\n%s%s", line, time.Since(start).Seconds(), &stdout, &stderr)
	if err != nil {
		err = fmt.Errorf("running `%s`: %w\n%s", line, err, strings.TrimSpace(stdout.String()+stderr.String()))
	}
	return stdout.String(), err
}
