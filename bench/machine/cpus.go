// Package machine divides a machine's CPUs between a proxy and its load, and says
// what processes take and what the machine is.
package machine

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// CPUs are some of the machine's, by number.
type CPUs []int

// Count is how many they are.
func (c CPUs) Count() int { return len(c) }

// String lists them as taskset(1) takes them.
func (c CPUs) String() string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint([]int(c)), " ", ","), "[]")
}

// Allowed are the CPUs that this process may run on.
func Allowed() (CPUs, error) {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(0, &set); err != nil {
		return nil, fmt.Errorf("asking for the CPUs of this process: %w", err)
	}
	var cpus CPUs
	for i := range len(set) * 64 {
		if set.IsSet(i) {
			cpus = append(cpus, i)
		}
	}
	return cpus, nil
}

// maxProxyCPUs is about what an Envoy pod is given.
const maxProxyCPUs = 4

// Divide gives a proxy a quarter of the CPUs, one at least and four at most, and
// the rest to clients and backends, so that they are not what limits it if there is
// a choice. A single CPU is shared.
func Divide(cpus CPUs) (proxy, load CPUs) {
	if len(cpus) == 1 {
		return cpus, cpus
	}
	n := min(max(len(cpus)/4, 1), maxProxyCPUs)
	return cpus[len(cpus)-n:], cpus[:len(cpus)-n]
}

// pinned tells the program that it has been started again by Pin.
const pinned = "GRPC_EDGE_BENCH_CPUS"

// Pin starts this program again with only some CPUs, since the affinity of a
// process that has threads already can't be set as a whole (sched_setaffinity(2)). It returns in
// the new one, with the CPUs that there were.
func Pin(divide func(CPUs) (proxy, load CPUs)) (proxy, load CPUs, err error) {
	if text := os.Getenv(pinned); text != "" {
		var all CPUs
		for field := range strings.SplitSeq(text, ",") {
			var cpu int
			if _, err := fmt.Sscan(field, &cpu); err != nil {
				return nil, nil, fmt.Errorf("reading %s=%q: %w", pinned, text, err)
			}
			all = append(all, cpu)
		}
		proxy, load = divide(all)
		return proxy, load, nil
	}
	all, err := Allowed()
	if err != nil {
		return nil, nil, err
	}
	_, load = divide(all)
	program, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	runtime.LockOSThread()
	if err := setAffinity(load); err != nil {
		return nil, nil, err
	}
	return nil, nil, unix.Exec(program, os.Args, append(os.Environ(), pinned+"="+all.String()))
}

// StartOn starts a command on the CPUs, which it and its children keep.
func StartOn(cpus CPUs, cmd *exec.Cmd) error {
	// A child takes over the affinity of the thread that starts it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	before, err := Allowed()
	if err != nil {
		return err
	}
	if err := setAffinity(cpus); err != nil {
		return err
	}
	started := cmd.Start()
	if err := setAffinity(before); err != nil {
		return err
	}
	return started
}

// setAffinity is for the calling thread.
func setAffinity(cpus CPUs) error {
	var set unix.CPUSet
	for _, cpu := range cpus {
		set.Set(cpu)
	}
	if err := unix.SchedSetaffinity(0, &set); err != nil {
		return fmt.Errorf("running on the CPUs %s: %w", cpus, err)
	}
	return nil
}
