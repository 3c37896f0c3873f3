package stack

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"example.com/grpc-edge/sandbox/addressplan"
	"example.com/grpc-edge/sandbox/cluster"
	"example.com/grpc-edge/sandbox/googleapis"
)

// EnterName is the name (argv[0]) under which the sandbox's binary puts files over
// those of the machine, for itself alone, and becomes another program.
const EnterName = "in-sandbox"

func (s Stack) hostsFile() string { return filepath.Join(s.State.Dir, "hosts") }

// WriteHosts writes the hosts file of this machine with the sandbox's hosts added.
func (s Stack) WriteHosts(region string) error {
	own, err := os.ReadFile("/etc/hosts")
	if err != nil {
		return err
	}
	hosts := append([]string{region + "-docker.pkg.dev", googleapis.KMS, cluster.SecretManager, cluster.BinaryAuthorization}, googleapis.ProbedHosts...)
	return os.WriteFile(s.hostsFile(), fmt.Appendf(own, "\n%s %s\n", addressplan.GoogleAPIs, strings.Join(hosts, " ")), 0o644)
}

// Enter takes arguments of the form FILE TARGET … -- PROGRAM ARGUMENT …: in its own mount
// namespace, it mounts each file over its target and becomes the program. It returns only on
// failure.
func Enter(args []string) error {
	// Private first: the mounts must not be seen outside.
	if err := unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""); err != nil {
		return fmt.Errorf("making mounts private: %w", err)
	}
	for ; len(args) > 2 && args[0] != "--"; args = args[2:] {
		if err := unix.Mount(args[0], args[1], "", unix.MS_BIND, ""); err != nil {
			return fmt.Errorf("mounting %s over %s: %w", args[0], args[1], err)
		}
	}
	if err := syscall.Exec(args[1], args[1:], os.Environ()); err != nil {
		return fmt.Errorf("running %s: %w", strings.Join(args[1:], " "), err)
	}
	return nil
}
