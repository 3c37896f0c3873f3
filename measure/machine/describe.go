package machine

import (
	"fmt"
	"os"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// Description describes a machine as far as figures depend on it.
type Description struct {
	CPUs   int
	Model  string
	Memory string
	Kernel string
	// Load is the load average of the last minute. It shows how busy the machine is.
	Load string
}

// Describe describes this machine.
func Describe(cpus int) Description {
	var name unix.Utsname
	_ = unix.Uname(&name)
	var kib float64
	_, _ = fmt.Sscanf(field("/proc/meminfo", "MemTotal"), "%f kB", &kib)
	load, _ := os.ReadFile("/proc/loadavg")
	first, _, _ := strings.Cut(string(load), " ")
	return Description{
		CPUs:   cpus,
		Model:  field("/proc/cpuinfo", "model name"),
		Memory: fmt.Sprintf("%.0f GB", kib*1024/1e9),
		Kernel: fmt.Sprintf("Linux %s, %s", unix.ByteSliceToString(name.Release[:]), runtime.GOARCH),
		Load:   first,
	}
}

func field(file, name string) string {
	text, _ := os.ReadFile(file)
	for line := range strings.Lines(string(text)) {
		if key, value, _ := strings.Cut(line, ":"); strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// Same reports whether figures of both machines may share a table.
func (d Description) Same(other Description) bool {
	return d.CPUs == other.CPUs && d.Model == other.Model && d.Memory == other.Memory
}
