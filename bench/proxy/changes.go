package proxy

import (
	"net/netip"
	"slices"

	"example.com/grpc-edge/envoy"
)

// Changes returns changes that each take one feature off the edge: first those of its
// Config, then parts of Envoy's configuration, then each of its HTTP filters.
func Changes(identity *Identity) ([]Change, error) {
	filters, err := filterNames(identity)
	if err != nil {
		return nil, err
	}
	changes := slices.Concat(configChanges(), bootstrapChanges())
	for _, name := range filters {
		changes = append(changes, Change{Name: "no filter " + name, Bootstrap: func(tree map[string]any) { dropFilter(tree, name) }})
	}
	return append(changes, longWay(), floor(bootstrapChanges(), filters)), nil
}

// longWay returns the change that sends native gRPC through the filters for pages, REST and
// rules.
func longWay() Change {
	return Change{Name: "the long way for native gRPC", Bootstrap: func(tree map[string]any) {
		visit(tree, func(m map[string]any) {
			if m["exact"] == "application/grpc" {
				m["exact"] = "nothing"
			}
		})
	}}
}

// floor returns the change that applies all others and removes all filters except the
// router. It shows the cost of Envoy itself.
func floor(changes []Change, filters []string) Change {
	return Change{Name: "none of these", Bootstrap: func(tree map[string]any) {
		for _, change := range changes {
			change.Bootstrap(tree)
		}
		for _, name := range filters {
			dropFilter(tree, name)
		}
		drop(tree, "early_header_mutation_extensions", "request_headers_to_add", "request_headers_to_remove", "stats_config")
	}}
}

func configChanges() []Change {
	change := func(name string, config func(*envoy.Config)) Change { return Change{Name: name, Config: config} }
	return []Change{
		change("no REST", func(c *envoy.Config) { c.REST = false }),
		change("no origins", func(c *envoy.Config) { c.Origins = nil }),
		change("no client certificates", func(c *envoy.Config) { c.ClientCA = "" }),
		change("no authorities", func(c *envoy.Config) { c.Authorities = nil }),
		change("no ranges of all clients", func(c *envoy.Config) { c.AllowedClients, c.DeniedClients = nil, nil }),
		change("no rules and issuers", func(c *envoy.Config) { c.Rules, c.Issuers = nil, nil }),
		change("no rates in rules", func(c *envoy.Config) {
			for i := range c.Rules {
				c.Rules[i].Rate = envoy.Rate{}
			}
		}),
		change("no ranges in rules", func(c *envoy.Config) {
			for i := range c.Rules {
				c.Rules[i].Clients = nil
			}
		}),
		change("no rate of clients", func(c *envoy.Config) { c.ClientRate = envoy.Rate{} }),
		change("no cap of deadlines", func(c *envoy.Config) { c.MaxDeadline = 0 }),
		change("no connection age", func(c *envoy.Config) { c.MaxConnectionAge = -1 }),
		change("no memory limit", func(c *envoy.Config) { c.MemoryLimit = 0 }),
		change("least request", func(c *envoy.Config) { c.LeastRequest = true }),
		*Few(),
	}
}

// Few returns the change that leaves only the keys set without which nothing works.
func Few() *Change {
	return &Change{Name: "as few keys as possible", Config: func(c *envoy.Config) {
		*c = envoy.Config{
			Backends: c.Backends, Resolvers: c.Resolvers, ConfigDir: c.ConfigDir, CertificateDir: c.CertificateDir,
			HTTPSPort: c.HTTPSPort, MetricsPort: c.MetricsPort, ReadyPort: c.ReadyPort, AdminPort: c.AdminPort,
		}
	}}
}

// bootstrapChanges returns changes that remove fields at any depth, by their names in
// Envoy's configuration.
func bootstrapChanges() []Change {
	change := func(name string, fields ...string) Change {
		return Change{Name: name, Bootstrap: func(tree map[string]any) { drop(tree, fields...) }}
	}
	return []Change{
		change("no access log", "access_log"),
		change("no health checks", "health_checks"),
		change("no outlier detection", "outlier_detection"),
		change("no circuit breakers", "circuit_breakers"),
		change("no retries", "retry_policy"),
		change("no overload manager and limits", "overload_manager", "layered_runtime"),
		change("default buffers", "per_connection_buffer_limit_bytes"),
		change("default HTTP/2 windows", "initial_stream_window_size", "initial_connection_window_size"),
		change("no PINGs", "connection_keepalive"),
		change("any header name", "headers_with_underscores_action"),
		change("no mapped replies", "local_reply_config"),
		change("forged headers pass", "early_header_mutation_extensions"),
		change("the deadline under its own name", "request_headers_to_add", "request_headers_to_remove"),
		{Name: "no request id", Bootstrap: func(tree map[string]any) {
			drop(tree, "always_set_request_id_in_response")
			visit(tree, func(m map[string]any) {
				if _, manager := m["http_filters"]; manager {
					m["generate_request_id"] = false
				}
			})
		}},
	}
}

// drop removes fields at any depth.
func drop(tree any, fields ...string) {
	visit(tree, func(m map[string]any) {
		for _, field := range fields {
			delete(m, field)
		}
	})
}

// dropFilter removes an HTTP filter, and its configuration in routes.
func dropFilter(tree any, name string) {
	visit(tree, func(m map[string]any) {
		if filters, ok := m["http_filters"].([]any); ok {
			m["http_filters"] = slices.DeleteFunc(filters, func(filter any) bool {
				return filter.(map[string]any)["name"] == name
			})
		}
		if routes, ok := m["typed_per_filter_config"].(map[string]any); ok {
			delete(routes, name)
		}
	})
}

// visit calls f with every map in the tree.
func visit(tree any, f func(map[string]any)) {
	switch node := tree.(type) {
	case map[string]any:
		f(node)
		for _, child := range node {
			visit(child, f)
		}
	case []any:
		for _, child := range node {
			visit(child, f)
		}
	}
}

// filterNames returns the HTTP filters of the listener for clients, except for the router,
// without which nothing works.
func filterNames(identity *Identity) ([]string, error) {
	config, err := everything(Setting{
		Dir: "/dir", Port: 1, OtherPorts: [3]int{2, 3, 4}, Name: "name", BackendPort: 5,
		Resolver: netip.MustParseAddrPort("127.0.0.1:6"), Identity: identity,
	})
	if err != nil {
		return nil, err
	}
	_, tree, err := bootstrap(config)
	if err != nil {
		return nil, err
	}
	var names []string
	visit(tree, func(m map[string]any) {
		if m["stat_prefix"] != "https" {
			return
		}
		filters, _ := m["http_filters"].([]any)
		for _, filter := range filters {
			name, _ := filter.(map[string]any)["name"].(string)
			if name != "envoy.filters.http.router" {
				names = append(names, name)
			}
		}
	})
	return names, nil
}
