package main

import (
	"context"
	"fmt"
	"path/filepath"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/apis"
)

// faults lists the faults of the emulated cloud, adds one, or clears all. The
// running sandbox obeys from the next call on.
func faults(_ context.Context, s sandbox, words []string) error {
	if !s.state.Exists() {
		return errDown
	}
	dir := filepath.Join(s.state.Dir, "cloud")
	list, err := changeFaults(dir, words)
	for _, f := range list {
		fmt.Println(f)
	}
	return err
}

func changeFaults(dir string, words []string) ([]gcp.Fault, error) {
	list, err := gcp.Faults(dir)
	if err != nil || len(words) == 0 {
		return list, err
	}
	if words[0] == "clear" {
		return nil, gcp.SetFaults(dir, nil)
	}
	f, err := gcp.ParseFault(words, apis.All(nil))
	if err != nil {
		return nil, err
	}
	list = append(list, f)
	return list, gcp.SetFaults(dir, list)
}
