package cluster

import (
	"testing"

	"example.com/grpc-edge/sandbox/gcp/container"
)

func TestAllocatable(t *testing.T) {
	t.Parallel()
	for machine, want := range map[string]int{ // "Plan GKE Standard node sizes" and nodes of public clusters
		"e2-medium": 940, "e2-standard-2": 1930, "n2-standard-4": 3920, "e2-standard-8": 7910, "n2-custom-6-3072": 5915, "c4a-standard-16": 15890,
	} {
		if got, ok := allocatable(machine); !ok || got != want {
			t.Errorf("allocatable(%s) = %d, %t, want %d", machine, got, ok, want)
		}
	}
	for _, machine := range []string{"", "f1-micro", "large"} {
		if got, ok := allocatable(machine); ok {
			t.Errorf("allocatable(%q) = %d, want none", machine, got)
		}
	}
}

// TestReserved checks how much CPU the nodes of a pool leave to pods beside GKE's own. Two nodes of
// e2-medium leave 480m. Three leave 1038m, as each takes a third of GKE's pods that run once in a
// cluster, rounded up.
func TestReserved(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		machine     string
		nodes, cpus int
		left        int // of all nodes
	}{
		"two small ones":                 {"e2-medium", 2, 2, 480},
		"three small ones":               {"e2-medium", 3, 2, 1038}, // 638 are not a multiple of 3
		"small ones on a large machine":  {"e2-medium", 2, 16, 480},
		"larger than the machine":        {"e2-standard-32", 1, 2, 2000},
		"a type whose name doesn't tell": {"f1-micro", 1, 2, 2000},
	} {
		keeps := reserved(container.NodePoolSpec{MachineType: test.machine, Count: test.nodes}, test.cpus)
		if left := test.nodes * (1000*test.cpus - keeps); left != test.left {
			t.Errorf("%s: pods have %d left, want %d", name, left, test.left)
		}
	}
}
