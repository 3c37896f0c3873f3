package main

import (
	"context"
	"os/exec"
	"path/filepath"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/infra/config"
	"example.com/grpc-edge/infra/edge"
)

// edgeConfig returns the configuration of Envoy: the services, and the stack's settings for
// calls. [config.Config.CheckEdge] checks it.
func edgeConfig(c *config.Config) envoy.Config {
	result := c.Edge.Config
	result.Backends, result.Authorities, result.DualStack = backends(c), c.Authorities, c.Network.DualStack
	result = edge.Complete(result, c.Termination)
	if c.Edge.Directory() {
		result.Backends = append(result.Backends, directoryBackend(c.Edge))
	}
	if c.OTLP != nil {
		result.Collector = &envoy.Collector{Address: c.OTLP.Host, Port: uint32(c.OTLP.Port), Sampling: float64(c.Edge.Sampling)}
	}
	return result
}

// askEnvoy checks the configuration with Envoy itself, if its program is available: in the
// repository's cache, where `make tools` puts it, or on PATH.
func askEnvoy(ctx context.Context, root string, edge envoy.Config) error {
	for _, program := range []string{filepath.Join(root, ".cache", "bin", "envoy"), "envoy"} {
		if binary, err := exec.LookPath(program); err == nil {
			return envoy.Check(ctx, binary, edge)
		}
	}
	return nil // then config.Config.CheckEdge is the only check
}

// serviceNames lists the services that may have a canary.
func serviceNames(c *config.Config) []string {
	var names []string
	for _, s := range public(c) {
		names = append(names, s.Name)
	}
	return names
}
