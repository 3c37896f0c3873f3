package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"example.com/grpc-edge/bench/stack/stackpage"
	"example.com/grpc-edge/measure/loadgen"
)

// rolloutPods lists the numbers of pods with which echo is rolled out. rolloutNodes is the
// number of nodes for the largest, with the pods that a rollout adds.
var rolloutPods = []int{2, 10, 30}

const rolloutNodes = 3

// rollouts times `make up` after a change in echo, for more and more pods, while clients call.
func (c workCopy) rollouts(ctx context.Context) ([]stackpage.Rollout, error) {
	if err := c.configure(map[string]string{"nodeCount": strconv.Itoa(rolloutNodes)}); err != nil {
		return nil, err
	}
	var list []stackpage.Rollout
	for _, pods := range rolloutPods {
		rollout, err := c.rollout(ctx, pods)
		if err != nil {
			return nil, err
		}
		list = append(list, rollout)
	}
	_, err := c.time(ctx, "make", "down")
	return list, err
}

func (c workCopy) rollout(ctx context.Context, pods int) (stackpage.Rollout, error) {
	r := stackpage.Rollout{Pods: pods}
	if err := c.configure(map[string]string{"services": fmt.Sprintf("{echo: {replicas: %d}}", pods)}); err != nil {
		return r, err
	}
	if _, err := c.time(ctx, "make", "up"); err != nil {
		return r, err
	}
	target, err := c.target(ctx)
	if err != nil {
		return r, err
	}
	changed := fmt.Sprintf("package main\n\nfunc init() { println(\"as rolled out to %d pods\") }\n", pods)
	if err := os.WriteFile(filepath.Join(c.dir, "services", "echo", "changed.go"), []byte(changed), 0o600); err != nil {
		return r, err
	}
	load, err := loadgen.Start(ctx, target, loadgen.Default)
	if err != nil {
		return r, err
	}
	r.Took, err = c.time(ctx, "make", "up")
	calls := load.Stop()
	r.Calls, r.Failed = len(calls), len(loadgen.Failed(calls))
	return r, err
}

func (c workCopy) target(ctx context.Context) (loadgen.Target, error) {
	outputs, err := c.run(ctx, ".cache/bin/sandbox", "pulumi", "--", "stack", "output", "--json")
	if err != nil {
		return loadgen.Target{}, fmt.Errorf("reading the stack's outputs: %w", err)
	}
	return loadgen.TargetOf([]byte(outputs))
}
