package proxy

import (
	"slices"

	"example.com/grpc-edge/envoy"
)

// Variants returns the edge by default, and variants of it: with one key changed at a time,
// then without one part at a time of what every stack has, and without any of them.
func Variants(identity *Identity) ([]Proxy, error) {
	full, err := everything(Setting{Identity: identity})
	if err != nil {
		return nil, err
	}
	parts := bootstrapChanges()
	list := []Proxy{Default("edge", "by default", nil)}
	for _, change := range slices.Concat(configChanges(full), parts, []Change{httpStatuses(), shortTurns(), longWay(), floor(parts)}) {
		list = append(list, Default("", change.Name, &change))
	}
	return list, nil
}

// httpStatuses returns the change that has Envoy count HTTP statuses by cluster, as it does by
// default.
func httpStatuses() Change {
	return Change{Name: "HTTP statuses counted by cluster", Bootstrap: func(tree map[string]any) { drop(tree, "dynamic_stats") }}
}

// shortTurns returns the change to the number of calls in a turn of Contour's example.
func shortTurns() Change {
	return Change{Name: "turns of 10 calls instead of 25", Bootstrap: func(tree map[string]any) {
		visit(tree, func(m map[string]any) {
			if _, limits := m["http.max_requests_per_io_cycle"]; limits {
				m["http.max_requests_per_io_cycle"] = 10
			}
		})
	}}
}

// longWay returns the change that sends native gRPC through the filters for pages and REST.
func longWay() Change {
	return Change{Name: "native gRPC takes the way of pages and REST", Bootstrap: func(tree map[string]any) {
		visit(tree, func(m map[string]any) {
			if m["exact"] == "application/grpc" {
				m["exact"] = "nothing"
			}
		})
	}}
}

// floor returns the change that applies all others. It shows the cost of Envoy itself.
func floor(changes []Change) Change {
	return Change{Name: "none of these: Envoy, TLS, HTTP/2 twice and a route", Bootstrap: func(tree map[string]any) {
		for _, change := range changes {
			change.Bootstrap(tree)
		}
		drop(tree, "stats_config")
	}}
}

// configChanges returns changes of one key of the stack's at a time. Values come from full,
// which has all keys set.
func configChanges(full envoy.Config) []Change {
	change := func(name string, config func(*envoy.Config)) Change { return Change{Name: name, Config: config} }
	return []Change{
		change("with an origin of pages", func(c *envoy.Config) { c.Origins = full.Origins }),
		change("with client certificates", func(c *envoy.Config) { c.ClientCA = full.ClientCA }),
		change("with ranges of clients", func(c *envoy.Config) {
			c.AllowedClients, c.DeniedClients = full.AllowedClients, full.DeniedClients
		}),
		change("with a rate for each client", func(c *envoy.Config) { c.ClientRate = full.ClientRate }),
		change("with rules: ranges and a rate for the method, a token for another", func(c *envoy.Config) {
			c.Rules, c.Issuers = full.Rules, full.Issuers
		}),
		change("with least request", func(c *envoy.Config) { c.LeastRequest = true }),
		change("no REST", func(c *envoy.Config) { c.REST = false }),
		change("no authority", func(c *envoy.Config) { c.Authorities = nil }),
		change("no cap of deadlines", func(c *envoy.Config) { c.MaxDeadline = 0 }),
		change("no connection age", func(c *envoy.Config) { c.MaxConnectionAge = 0 }),
		change("no memory limit", func(c *envoy.Config) { c.MemoryLimit = 0 }),
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
// Envoy's configuration, and the filters that every call passes.
func bootstrapChanges() []Change {
	change := func(name string, fields ...string) Change {
		return Change{Name: name, Bootstrap: func(tree map[string]any) { drop(tree, fields...) }}
	}
	without := func(name, filter string) Change {
		return Change{Name: name, Bootstrap: func(tree map[string]any) { dropFilter(tree, filter) }}
	}
	return []Change{
		change("no access log", "access_log"),
		without("no statistics by method", "grpc_stats"),
		without("trailers of requests pass", "request_trailers"),
		change("forged headers pass", "early_header_mutation_extensions"),
		change("the deadline under its own name", "request_headers_to_add", "request_headers_to_remove"),
		change("no retries", "retry_policy"),
		change("no circuit breakers", "circuit_breakers"),
		change("no overload manager and limits", "overload_manager", "layered_runtime"),
		change("default buffers and HTTP/2 windows", "per_connection_buffer_limit_bytes", "initial_stream_window_size", "initial_connection_window_size"),
		change("no health checks, outlier detection, PINGs, mapped replies and timeout of headers",
			"health_checks", "outlier_detection", "connection_keepalive", "local_reply_config", "request_headers_timeout"),
		change("any header name", "headers_with_underscores_action"),
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
