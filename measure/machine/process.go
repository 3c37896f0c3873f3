package machine

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Process is the ID of a process. Its methods return empty values once the process has ended.
type Process int

// Processes returns all processes.
func Processes() []Process {
	var list []Process
	dirs, _ := filepath.Glob("/proc/[0-9]*") // the pattern is right
	for _, dir := range dirs {
		pid, _ := strconv.Atoi(filepath.Base(dir))
		list = append(list, Process(pid))
	}
	return list
}

func (p Process) read(file string) string {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/%s", p, file))
	return string(text)
}

// Stat returns the fields of /proc/PID/stat from the third on.
func (p Process) Stat() []string {
	// The second field of the file is a name in parentheses, which may have any character.
	text := p.read("stat")
	return strings.Fields(text[strings.LastIndexByte(text, ')')+1:])
}

// Parent returns the process that started it, or the one that adopted it.
func (p Process) Parent() Process { return parent(p.Stat()) }

// parent returns the parent in what [Process.Stat] returned.
func parent(stat []string) Process {
	if len(stat) < 2 {
		return 0
	}
	pid, _ := strconv.Atoi(stat[1])
	return Process(pid)
}

// Args returns the command line.
func (p Process) Args() []string {
	text := strings.TrimRight(p.read("cmdline"), "\x00")
	if text == "" {
		return nil
	}
	return strings.Split(text, "\x00")
}

// Cgroup returns the paths of its cgroups, as /proc/PID/cgroup has them.
func (p Process) Cgroup() string { return p.read("cgroup") }

// Resident returns the resident memory in bytes.
func (p Process) Resident() int64 { return p.bytes("status", "VmRSS") }

// Peak returns the most resident memory so far, in bytes.
func (p Process) Peak() int64 { return p.bytes("status", "VmHWM") }

// Proportional returns the proportional set size in bytes. That is its memory, and its share
// of what it shares with others (proc(5), smaps_rollup).
func (p Process) Proportional() int64 { return p.bytes("smaps_rollup", "Pss") }

// bytes returns a number of bytes in a file with lines such as "VmRSS: 12 kB".
func (p Process) bytes(file, name string) int64 {
	for line := range strings.Lines(p.read(file)) {
		if fields := strings.Fields(line); len(fields) == 3 && fields[0] == name+":" {
			kib, _ := strconv.ParseInt(fields[1], 10, 64)
			return kib << 10
		}
	}
	return 0
}
