package main

import (
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"strings"

	"example.com/grpc-edge/measure/machine"
	"example.com/grpc-edge/measure/report"
	"example.com/grpc-edge/test/chaos"
	"example.com/grpc-edge/test/resilience/resiliencepage"
)

// resultsFile is the file of results beside this program.
const resultsFile = "test/resilience/results.json"

func read(root string) (resiliencepage.Results, error) {
	r, err := report.Load[resiliencepage.Results](filepath.Join(root, resultsFile))
	if r.Events == nil {
		r.Events = map[string]chaos.Outcome{}
	}
	return r, err
}

// publish saves the results and writes the page again, so that both agree after each event.
func publish(root string, r resiliencepage.Results) error {
	if err := report.Save(filepath.Join(root, resultsFile), r); err != nil {
		return err
	}
	return r.Write(filepath.Join(root, "docs"))
}

// broken returns an error that lists what did not hold of these events.
func broken(r resiliencepage.Results, events []chaos.Event) error {
	var verdicts []report.Verdict
	for _, event := range events {
		verdicts = append(verdicts, r.Events[event.Key].Verdict)
	}
	if lines := report.Broken(verdicts); len(lines) > 0 {
		return errors.New(strings.Join(lines, "\n"))
	}
	return nil
}

// here describes this machine for the page.
func here() string {
	d := machine.Describe(runtime.NumCPU())
	return fmt.Sprintf("%d cores (%s), which run clients, nodes and control plane alike", d.CPUs, d.Model)
}
