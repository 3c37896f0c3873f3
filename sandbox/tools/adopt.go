package tools

import (
	"debug/buildinfo"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime/debug"
	"strings"

	"example.com/grpc-edge/internal/subprocess"
)

// adopt copies the program from PATH instead of compiling it, if it reports the version and is
// proven to be built from what the go.sum in folder pins: see [prove]. It reports whether it
// did.
func (t Tools) adopt(name, version, folder string) bool {
	file, err := exec.LookPath(name)
	if err != nil || file == t.Bin(name) {
		return false
	}
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		return false
	}
	sums, err := readSums(filepath.Join(folder, "go.sum"))
	if err != nil || prove(info, sums) != nil {
		return false
	}
	if said, err := subprocess.Output(exec.Command(file, "version")); err != nil || strings.TrimSpace(said) != version {
		return false
	}
	return copyProgram(file, t.Bin(name)) == nil
}

// prove returns an error unless a program's main module and all others in it have the
// versions and checksums of a go.sum. A release that was built in a clone has no checksum of
// its main module, and is not proven.
func prove(info *debug.BuildInfo, sums map[string]string) error {
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if m.Replace != nil {
			m = m.Replace
		}
		switch sum, pinned := sums[m.Path+" "+m.Version]; {
		case m.Sum == "":
			return fmt.Errorf("%s %s has no checksum", m.Path, m.Version)
		case !pinned:
			return fmt.Errorf("%s %s is not pinned", m.Path, m.Version)
		case sum != m.Sum:
			return fmt.Errorf("%s %s has the checksum %s, not %s", m.Path, m.Version, m.Sum, sum)
		}
	}
	return nil
}

// readSums returns the checksums of a go.sum by module and version.
func readSums(file string) (map[string]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	sums := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) == 3 {
			sums[fields[0]+" "+fields[1]] = fields[2]
		}
	}
	return sums, nil
}

// copyProgram copies a program, because the one on PATH may be updated at any time.
func copyProgram(from, to string) (err error) {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	_, err = io.Copy(out, in)
	return err
}
