package main

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gopkg.in/yaml.v3"
)

// gkePods describes the requests of GKE's own pods, which take room on the sandbox's nodes.
type gkePods struct {
	PerNode    map[string]int `yaml:"perNode"`
	PerCluster map[string]int `yaml:"perCluster"`
}

// TestDevFits places the pods of dev on nodes of e2-medium beside GKE's own pods, with one pod more
// of each Deployment, as while all are replaced.
func TestDevFits(t *testing.T) {
	const offered = 940 // of e2-medium, as allocatable in sandbox/cluster has it
	text, err := os.ReadFile(filepath.Join(root, "sandbox", "cluster", "gkepods.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	var own gkePods
	if err := yaml.Unmarshal(text, &own); err != nil {
		t.Fatal(err)
	}
	result := mustRun(t, "dev", true, nil)
	pool := result.ofType(t, nodePoolType)[0]
	check(t, pool, map[string]any{"nodeConfig.machineType": "e2-medium"})
	nodes := make([]int, int(at(pool.Inputs, "nodeCount").NumberValue()))
	for i := range nodes {
		nodes[i] = offered
		for _, cpu := range own.PerNode {
			nodes[i] -= cpu
		}
	}
	var pods []int
	for _, cpu := range own.PerCluster {
		pods = append(pods, cpu)
	}
	for _, d := range result.ofType(t, deploymentType) {
		for range int(at(d.Inputs, "spec.replicas").NumberValue()) + 1 {
			pods = append(pods, requested(t, d))
		}
	}
	slices.SortFunc(pods, func(a, b int) int { return b - a })
	for _, cpu := range pods { // the largest first, each to the emptiest node
		i := slices.Index(nodes, slices.Max(nodes))
		if nodes[i] -= cpu; nodes[i] < 0 {
			t.Fatalf("a pod of %dm finds no place: the nodes of dev have %v left; make them more or larger", cpu, nodes)
		}
	}
	t.Logf("left on the nodes of dev, in thousandths of a core: %v", nodes)
}

// requested returns the CPU that a pod of a Deployment requests, in thousandths of a core.
func requested(t *testing.T, d registered) (total int) {
	t.Helper()
	for _, list := range []string{"spec.template.spec.containers", "spec.template.spec.initContainers"} {
		containers := at(d.Inputs, list)
		if !containers.IsArray() {
			continue
		}
		for i := range containers.ArrayValue() {
			text := at(d.Inputs, fmt.Sprintf("%s[%d].resources.requests.cpu", list, i)).StringValue()
			millicores, isMilli := strings.CutSuffix(text, "m")
			cpu, err := strconv.Atoi(millicores)
			if err != nil {
				t.Fatalf("%s requests %q of CPU: %v", d.Name, text, err)
			}
			if !isMilli {
				cpu *= 1000
			}
			total += cpu
		}
	}
	return total
}
