package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"runtime"
	"strings"

	"grpc-edge/test/fault"
)

// results are the newest outcome of each event, kept between runs.
type results struct {
	file string
	list map[string]fault.Outcome
}

func (r *results) read() error {
	text, err := os.ReadFile(r.file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	return json.Unmarshal(text, &r.list)
}

func (r *results) add(outcome fault.Outcome) error {
	if r.list == nil {
		r.list = map[string]fault.Outcome{}
	}
	r.list[outcome.Key] = outcome
	text, err := json.Marshal(r.list)
	if err != nil {
		return err
	}
	return os.WriteFile(r.file, text, 0o600)
}

// outcomes are in the order of the events.
func (r *results) outcomes() []fault.Outcome {
	var list []fault.Outcome
	for _, event := range fault.All() {
		if outcome, ok := r.list[event.Key]; ok {
			list = append(list, outcome)
		}
	}
	return list
}

// broken is an error that lists what did not hold.
func (r *results) broken() error {
	var errs []error
	for _, outcome := range r.outcomes() {
		if len(outcome.Broken) > 0 {
			errs = append(errs, fmt.Errorf("%s: %s", outcome.Title, strings.Join(outcome.Broken, "; ")))
		}
	}
	return errors.Join(errs...)
}

// machine says where it was measured.
func machine() string {
	model := runtime.GOARCH
	if text, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(text)) {
			if name, value, found := strings.Cut(line, ":"); found && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
			}
		}
	}
	return fmt.Sprintf("%d cores of a %s, which run clients, nodes and control plane alike", runtime.NumCPU(), model)
}
