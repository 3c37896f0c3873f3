package config

import (
	"math"

	"example.com/grpc-edge/services/catalog"
)

const modeKey = "grpc-edge:clusterMode"

// standardOnly lists the keys that have no effect in an Autopilot cluster (GKE, "Compare
// features in Autopilot and Standard clusters"), each with what applies instead.
var standardOnly = []struct{ key, instead string }{
	{"grpc-edge:clusterLocation", "the cluster is always regional"},
	{"grpc-edge:nodeMachineType", "GKE chooses the machines"},
	// No compute class with Arm allows requests as small as ours. Autopilot would raise
	// them, which would be a permanent diff.
	{"grpc-edge:nodeArchitecture", "pods that ask for as little as these run on amd64"},
	{"grpc-edge:nodeZones", "GKE chooses the zones"},
	{"grpc-edge:nodeCount", "GKE makes a node when a pod finds no place"},
	{"grpc-edge:nodeCountMax", "GKE makes a node when a pod finds no place"},
	{"grpc-edge:nodeDiskGb", "GKE chooses the disks"},
	{"grpc-edge:zoneAware", "it is not known in which zones pods will be"},
}

// autopilot reads the mode of the cluster. It refuses keys that the mode ignores if their
// value is not the default, because then somebody has set them.
func (r *reader) autopilot() bool {
	if r.oneOf(modeKey, "standard", "autopilot") != "autopilot" {
		return false
	}
	for _, only := range standardOnly {
		if value, ok := r.get(only.key); ok && value != r.defaults[only.key] {
			r.report(only.key, "is %q, but with %s autopilot %s; remove it from the file of the stack", value, modeKey, only.instead)
		}
	}
	// The logs of the system cannot be switched off (GKE, "About GKE logs").
	if value, _ := r.get(loggingKey); value == "[]" {
		r.refuse(loggingKey, value, "a list with SYSTEM_COMPONENTS: an Autopilot cluster always has the logs of the system")
	}
	return true
}

// Autopilot's bounds for what a pod asks for (GKE, "Resource requests in Autopilot",
// general-purpose, clusters that support bursting).
const (
	leastMillicores = 50
	leastMiB        = 52
	// The memory for each core.
	leastMiBPerCore = 1024
	mostMiBPerCore  = 6.5 * 1024
)

// checkRequests checks that Autopilot leaves the requests of a service as they are. It would
// raise what is too little for the other, which would be a permanent diff. The catalog checks
// the form of the quantities.
func (r *reader) checkRequests(s catalog.Service) {
	cpu, err := catalog.Millicores(s.CPU)
	bytes, wrong := catalog.Bytes(s.Memory)
	if err != nil || wrong != nil {
		return
	}
	memory := float64(bytes) / (1 << 20)
	if cpu < leastMillicores {
		r.report(s.At("cpu"), "is %s; with %s autopilot it must be at least %dm", s.CPU, modeKey, leastMillicores)
		return
	}
	if least := max(leastMiB, math.Ceil(cpu/1000*leastMiBPerCore)); memory < least {
		r.report(s.At("memory"), "is %s; with %s autopilot and cpu %s it must be at least %.0fMi", s.Memory, modeKey, s.CPU, least)
	} else if least := math.Ceil(memory / mostMiBPerCore * 1000); cpu < least {
		r.report(s.At("cpu"), "is %s; with %s autopilot and memory %s it must be at least %.0fm", s.CPU, modeKey, s.Memory, least)
	}
}
