package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"example.com/grpc-edge/test/fault"
)

// resultsFile is the file of results beside this program. An event keeps its results while
// others are measured again.
const resultsFile = "test/resilience/results.json"

// results holds the newest results of each event and check.
type results struct {
	file string
	// Machine describes the machine that measured all of them.
	Machine string
	Events  map[string]fault.Outcome
	Checks  map[string]fault.Checked
}

func newResults(file string) *results {
	return &results{file: file, Events: map[string]fault.Outcome{}, Checks: map[string]fault.Checked{}}
}

func (r *results) read() error {
	text, err := os.ReadFile(r.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(text, r)
}

func (r *results) write() error {
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	return os.WriteFile(r.file, append(text, '\n'), 0o644)
}

// outcomes returns the outcomes in the order of the events.
func (r *results) outcomes() (list []fault.Outcome) {
	for _, event := range fault.Known() {
		if outcome, ok := r.Events[event.Key]; ok {
			list = append(list, outcome)
		}
	}
	return list
}

// checked returns the results of checks in the order of the checks.
func (r *results) checked() (list []fault.Checked) {
	for _, check := range fault.Checks() {
		if checked, ok := r.Checks[check.Key]; ok {
			list = append(list, checked)
		}
	}
	return list
}

// broken returns an error that lists what did not hold of these events and checks.
func (r *results) broken(events []fault.Event, checks []fault.Check) error {
	var errs []error
	for _, event := range events {
		if outcome := r.Events[event.Key]; len(outcome.Broken) > 0 {
			errs = append(errs, fmt.Errorf("%s: %s", outcome.Title, strings.Join(outcome.Broken, "; ")))
		}
	}
	for _, check := range checks {
		if checked := r.Checks[check.Key]; checked.Broken != "" {
			errs = append(errs, fmt.Errorf("%s: %s", checked.Title, checked.Broken))
		}
	}
	return errors.Join(errs...)
}

// machine describes this machine for the page.
func machine() string {
	model := runtime.GOARCH
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
			}
		}
	}
	return fmt.Sprintf("%d cores (%s), which run clients, nodes and control plane alike", runtime.NumCPU(), model)
}
