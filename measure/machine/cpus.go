// Package machine divides a machine's CPUs between a proxy and its load. It also measures
// what processes use, and describes the machine.
package machine

import (
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"

	"golang.org/x/sys/unix"
)

// CPUs lists some of the machine's CPUs by number.
type CPUs []int

// String returns the list as taskset(1) takes it.
func (c CPUs) String() string {
	return strings.Trim(strings.ReplaceAll(fmt.Sprint([]int(c)), " ", ","), "[]")
}

// Allowed returns the CPUs that the calling thread may run on.
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

// maxProxyCPUs is about the number of CPUs of an Envoy pod.
const maxProxyCPUs = 4

// Divide gives the proxy a quarter of the CPUs, at least one and at most four. Clients and
// backends get the rest, so that, if possible, they are not the bottleneck. A single CPU is
// shared.
func Divide(cpus CPUs) (proxy, load CPUs) {
	if len(cpus) == 1 {
		return cpus, cpus
	}
	n := min(max(len(cpus)/4, 1), maxProxyCPUs)
	return cpus[len(cpus)-n:], cpus[:len(cpus)-n]
}

// pinned is the environment variable that marks a program restarted by Pin. It holds all
// CPUs.
const pinned = "GRPC_EDGE_BENCH_CPUS"

// Pin restarts this program on the CPUs for load, since the affinity of a process with
// threads can't be set as a whole (sched_setaffinity(2)). In the restarted program, it
// returns the division of the original CPUs.
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

// StartOn starts a command on the CPUs. Its children inherit them.
func StartOn(cpus CPUs, cmd *exec.Cmd) error {
	// A child inherits the affinity of the thread that starts it.
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

// setAffinity sets the CPUs of the calling thread.
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
