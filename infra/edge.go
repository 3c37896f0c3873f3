package main

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/infra/config"
	"example.com/grpc-edge/infra/edge"
)

// edgeConfig is what Envoy does: the services, and what the stack says about
// calling them. The error lists everything that does not fit together, before
// anything is created.
func edgeConfig(c *config.Config, entries []entry) (envoy.Config, error) {
	e := c.Edge
	result := edge.Complete(envoy.Config{
		Backends:    backends(entries, c),
		Authorities: []string{c.Authority},
		ClientCA:    e.ClientCA, ClientCertificateRequired: e.ClientCertificateRequired,
		REST: e.REST, Origins: e.Origins,
		AllowedClients: e.AllowedClients, DeniedClients: e.DeniedClients,
		Issuers: e.Issuers, Rules: e.Rules, ClientRate: e.ClientRate,
		MaxDeadline: e.MaxDeadline, MaxConnectionAge: e.MaxConnectionAge,
		LeastRequest: e.LeastRequest,
	}, c.Termination)
	if e.MaxConnectionAge == 0 {
		result.MaxConnectionAge = -1
	}
	if e.Reflection {
		result.Backends = append(result.Backends, directoryBackend())
	}
	if c.OTLP != nil {
		result.Collector = &envoy.Collector{Address: c.OTLP.Host, Port: uint32(c.OTLP.Port), Sampling: float64(e.Sampling)}
	}
	if err := checkCanaries(e.Canaries, entries); err != nil {
		return result, err
	}
	if _, err := envoy.Files(result); err != nil {
		return result, fmt.Errorf("checking the keys of the edge (jwtIssuers, rules, canaries, clientCaPem):\n%w", err)
	}
	return result, nil
}

func checkCanaries(canaries map[string]config.Canary, entries []entry) error {
	known := map[string]bool{}
	for _, e := range entries {
		known[e.Name()] = true
	}
	for _, name := range slices.Sorted(maps.Keys(canaries)) {
		if !known[name] {
			return fmt.Errorf("checking grpc-edge:canaries: there is no service %q; it must be one of %s",
				name, strings.Join(slices.Sorted(maps.Keys(known)), ", "))
		}
	}
	return nil
}
