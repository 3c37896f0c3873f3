package tools

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"example.com/grpc-edge/internal/wholefile"
)

// Work describes the cost of something the first time on a machine.
type Work struct {
	// CPU is the time of one core to compile it.
	CPU time.Duration
	// Megabytes is the size of what is fetched from package registries.
	Megabytes int
}

// firstTime maps each stage to its approximate work. CPU time is measured on one core of an AMD
// EPYC of 2026 (README, "Measured", with two). Megabytes are the size of the modules' archives
// and packages.
var firstTime = map[string]Work{
	"packages":          {0, 80},
	"envoy":             {0, 35},
	"kubernetes":        {13 * time.Minute, 86},
	"pulumi":            {7 * time.Minute, 266},
	"pulumi-kubernetes": {12 * time.Minute, 150},
	"coredns":           {2 * time.Minute, 40},
	"etcd":              {time.Minute, 32},
	"grpcurl":           {30 * time.Second, 24},
	Program:             {8 * time.Minute, 166},
}

// megabytesPerSecond is the usual speed of registries.
const megabytesPerSecond = 10

// Left returns the work that a stage still has, which is none once it was done from the same sources.
func (t Tools) Left(name string) Work {
	done := false
	if name == Program {
		versions, err := t.versions(context.Background())
		done = err == nil && t.compiled(versions)
	} else {
		done = t.current(name)
	}
	if done {
		return Work{}
	}
	return firstTime[name]
}

// done writes the stamp of work that is done, whole or not at all.
func (t Tools) done(name, stamp string) error {
	file := t.stampFile(name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return wholefile.Write(file, []byte(stamp), 0o644)
}

// Expect returns how long a stage will take with this number of cores and bytes of free memory.
func (t Tools) Expect(name string, cores int, memory uint64) time.Duration {
	return t.Left(name).On(usable(name, cores, memory))
}

// usable returns how many of the cores a stage can use with this number of bytes of free memory.
func usable(name string, cores int, memory uint64) int {
	if name == Program {
		return atOnce(cores, memory)
	}
	return cores
}

// On returns how long the work takes with this number of cores.
func (w Work) On(cores int) time.Duration {
	return w.CPU/time.Duration(cores) + time.Duration(w.Megabytes)*time.Second/megabytesPerSecond
}

// Forecast returns what a first run of these stages will fetch and compile, and how long that takes
// with this number of cores and bytes of free memory. It is empty where everything is built.
func (t Tools) Forecast(stages []string, cores int, memory uint64) string {
	var wait time.Duration
	var megabytes int
	var compiled []string // lines of names
	for _, name := range stages {
		left := t.Left(name)
		wait += left.On(usable(name, cores, memory))
		megabytes += left.Megabytes
		switch last := len(compiled) - 1; {
		case left.CPU == 0:
		case last >= 0 && len(compiled[last])+len(name) < 60:
			compiled[last] += ", " + name
		default:
			compiled = append(compiled, name)
		}
	}
	if len(compiled) == 0 {
		return ""
	}
	const text = `The first run here takes about %.0f min with %d cores and %d GB of free memory.
  Fetched from package registries (Go modules, Debian, PyPI): up to %d MB
  Compiled: %s
An interrupted run continues where it stopped. Later runs take seconds.

`
	return fmt.Sprintf(text, max(1, wait.Minutes()), cores, memory/1e9, megabytes, strings.Join(compiled, ",\n            "))
}
