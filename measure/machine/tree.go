package machine

import (
	"fmt"
	"strconv"
	"time"
)

// Tree describes a process and its descendants.
type Tree struct{ Root int }

// tick is the unit of times in /proc/PID/stat. USER_HZ is 100 on every Linux that Go
// supports (proc_pid_stat(5), sysconf(_SC_CLK_TCK)).
const tick = time.Second / 100

// CPUTime returns the CPU time of the tree's processes and of their ended children.
func (t Tree) CPUTime() (time.Duration, error) {
	var total time.Duration
	err := t.each(func(pid int, stat []string) error {
		// utime, stime, cutime and cstime are fields 14 to 17 (proc_pid_stat(5)).
		for _, field := range stat[11:15] {
			ticks, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return fmt.Errorf("reading the times of process %d: %w", pid, err)
			}
			total += time.Duration(ticks) * tick
		}
		return nil
	})
	return total, err
}

// PeakMemory returns the sum of the peak resident memory of the tree's processes, in bytes.
// Shared pages count for each process.
func (t Tree) PeakMemory() (int64, error) {
	var total int64
	err := t.each(func(pid int, _ []string) error {
		total += Process(pid).Peak()
		return nil
	})
	return total, err
}

// each calls visit for each process that is now in the tree, with its [Process.Stat].
func (t Tree) each(visit func(pid int, stat []string) error) error {
	stats := map[int][]string{}
	for _, p := range Processes() {
		if stat := p.Stat(); len(stat) > 0 {
			stats[int(p)] = stat
		}
	}
	if stats[t.Root] == nil {
		return fmt.Errorf("looking for process %d: it has ended", t.Root)
	}
	for pid, stat := range stats {
		if t.contains(pid, stats) {
			if err := visit(pid, stat); err != nil {
				return err
			}
		}
	}
	return nil
}

func (t Tree) contains(pid int, stats map[int][]string) bool {
	for pid != t.Root {
		stat := stats[pid]
		if stat == nil {
			return false
		}
		pid, _ = strconv.Atoi(stat[1]) // the parent
	}
	return true
}
