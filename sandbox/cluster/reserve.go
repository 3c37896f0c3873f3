package cluster

import (
	_ "embed"
	"regexp"
	"strconv"
	"strings"
	"sync"

	"sigs.k8s.io/yaml"

	"example.com/grpc-edge/sandbox/gcp/container"
)

//go:embed gkepods.yaml
var gkePodsYAML []byte

// gkePods holds the CPU requests of GKE's own pods, in thousandths of a core.
type gkePods struct {
	PerNode    map[string]int `json:"perNode"`
	PerCluster map[string]int `json:"perCluster"`
}

var loadGKEPods = sync.OnceValue(func() gkePods {
	var pods gkePods
	if err := yaml.UnmarshalStrict(gkePodsYAML, &pods); err != nil {
		panic("gkepods.yaml is part of this program: " + err.Error())
	}
	return pods
})

func sum(requests map[string]int) (total int) {
	for _, cpu := range requests {
		total += cpu
	}
	return total
}

// cpus matches the number of CPUs at the end of a machine type, or before the memory of a custom
// one.
var cpus = regexp.MustCompile(`-custom-([0-9]+)-|-([0-9]+)g?$`)

// sharedCores lists machine types that own part of their 2 CPUs. GKE keeps 1060m of them ("Plan GKE
// Standard node sizes": shared-core E2 machine types).
var sharedCores = []string{"e2-micro", "e2-small", "e2-medium"}

// allocatable returns the CPU that a node of a machine type offers to pods, in thousandths of a
// core ("Plan GKE Standard node sizes": GKE keeps 6 % of the first core, 1 % of the second, 0.5
// % of the next two and 0.25 % of each above four). It returns false for a type whose name does
// not give the number of CPUs.
func allocatable(machineType string) (millicores int, ok bool) {
	for _, shared := range sharedCores {
		if machineType == shared {
			return 2000 - 1060, true
		}
	}
	parts := cpus.FindStringSubmatch(machineType)
	if parts == nil {
		return 0, false
	}
	n, err := strconv.Atoi(strings.Join(parts[1:], ""))
	if err != nil || n < 1 {
		return 0, false
	}
	kept := 60.0
	for core := 2; core <= n; core++ {
		switch {
		case core == 2:
			kept += 10
		case core <= 4:
			kept += 5
		default:
			kept += 2.5
		}
	}
	return 1000*n - int(kept), true
}

// reserved returns the CPU that a node of the sandbox keeps from pods, in thousandths of a core,
// on a machine with this many CPUs. The rest is what a GKE node of the same type has left beside
// GKE's own pods. GKE's pods that run once in a cluster are spread over the pool's nodes.
// A node can't offer more than the machine has.
func reserved(pool container.NodePoolSpec, machineCPUs int) int {
	offered, ok := allocatable(pool.MachineType)
	if !ok {
		return 0
	}
	pods := loadGKEPods()
	left := offered - sum(pods.PerNode) - (sum(pods.PerCluster)+pool.Count-1)/max(pool.Count, 1)
	return max(0, 1000*machineCPUs-left)
}
