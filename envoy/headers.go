package envoy

import (
	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	headermutationv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/header_mutation/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	earlyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/early_header_mutation/header_mutation/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
)

// edgeOnly lists the prefixes of the names of headers that only an edge may write:
// headers that control Envoy, headers that tell a backend how a call came in (also
// by RFC 7239), and the claims of a token.
var edgeOnly = []string{"x-envoy-", "x-forwarded-", "forwarded", "x-real-ip", payloadHeader, DeadlineHeader}

// dropForged removes these headers from a client's request, before Envoy reads any
// header. By default Envoy drops only some
// (docs/root/configuration/http/http_conn_man/header_sanitizing.rst), and appends to
// x-forwarded-for, which would mislead a backend that trusts the first address there.
func dropForged() []*corev3.TypedExtensionConfig {
	mutation := &earlyv3.HeaderMutation{}
	for _, prefix := range edgeOnly {
		mutation.Mutations = append(mutation.Mutations, removeIf(&matcherv3.StringMatcher{
			MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: prefix},
		}))
	}
	return []*corev3.TypedExtensionConfig{{
		Name:        "envoy.http.early_header_mutation.header_mutation",
		TypedConfig: typed(mutation),
	}}
}

// trailerFilters removes trailers of a client's request, which gRPC does not use
// (doc/PROTOCOL-HTTP2.md, "Requests"). A grpc-go server treats them as a connection
// error, and closes the connection, which also carries other clients' calls.
func trailerFilters() []*hcmv3.HttpFilter {
	anything := &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_SafeRegex{
		SafeRegex: &matcherv3.RegexMatcher{Regex: ".*"},
	}}
	return []*hcmv3.HttpFilter{httpFilter("request_trailers", &headermutationv3.HeaderMutation{
		Mutations: &headermutationv3.Mutations{RequestTrailersMutations: []*mutationv3.HeaderMutation{removeIf(anything)}},
	})}
}

// removeIf removes headers by their name.
func removeIf(name *matcherv3.StringMatcher) *mutationv3.HeaderMutation {
	return &mutationv3.HeaderMutation{
		Action: &mutationv3.HeaderMutation_RemoveOnMatch_{
			RemoveOnMatch: &mutationv3.HeaderMutation_RemoveOnMatch{KeyMatcher: name},
		},
	}
}
