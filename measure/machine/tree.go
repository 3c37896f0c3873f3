package machine

import (
	"fmt"
	"slices"
	"strconv"
	"time"
)

// Tree describes a process and its descendants.
type Tree struct{ Root Process }

// tick is the unit of times in /proc/PID/stat. USER_HZ is 100 on every Linux that Go
// supports (proc_pid_stat(5), sysconf(_SC_CLK_TCK)).
const tick = time.Second / 100

// CPUTime returns the CPU time of the tree's processes and of their ended children.
func (t Tree) CPUTime() (time.Duration, error) {
	var total time.Duration
	err := t.each(func(p Process, stat []string) error {
		// utime, stime, cutime and cstime are fields 14 to 17 (proc_pid_stat(5)).
		for _, field := range stat[11:15] {
			ticks, err := strconv.ParseInt(field, 10, 64)
			if err != nil {
				return fmt.Errorf("reading the times of process %d: %w", p, err)
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
	err := t.each(func(p Process, _ []string) error {
		total += p.Peak()
		return nil
	})
	return total, err
}

// Processes returns the processes that are now in the tree, the root among them, by PID.
func (t Tree) Processes() ([]Process, error) {
	var list []Process
	err := t.each(func(p Process, _ []string) error {
		list = append(list, p)
		return nil
	})
	slices.Sort(list)
	return list, err
}

// each calls visit for each process that is now in the tree, with its [Process.Stat].
func (t Tree) each(visit func(p Process, stat []string) error) error {
	stats := map[Process][]string{}
	for _, p := range Processes() {
		if stat := p.Stat(); len(stat) > 0 {
			stats[p] = stat
		}
	}
	if stats[t.Root] == nil {
		return fmt.Errorf("looking for process %d: it has ended", t.Root)
	}
	for p, stat := range stats {
		ancestor := p
		for ancestor != t.Root && ancestor != 0 {
			ancestor = parent(stats[ancestor]) // 0 of one that has ended
		}
		if ancestor == t.Root {
			if err := visit(p, stat); err != nil {
				return err
			}
		}
	}
	return nil
}
