package envoy

import (
	mutationv3 "github.com/envoyproxy/go-control-plane/envoy/config/common/mutation_rules/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	earlyv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/http/early_header_mutation/header_mutation/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
)

// edgeOnly are the beginnings of the names of headers that only an edge may
// write: what Envoy takes orders from, what tells a backend how a call came in
// (also by RFC 7239), and the claims of a token.
var edgeOnly = []string{"x-envoy-", "x-forwarded-", "forwarded", "x-real-ip", payloadHeader}

// dropForged removes them from what a client sends, before Envoy reads any header.
// Of its own accord Envoy drops only some
// (docs/root/configuration/http/http_conn_man/header_sanitizing.rst), and appends
// to x-forwarded-for: a backend that believes the first address there is misled.
func dropForged() []*corev3.TypedExtensionConfig {
	mutation := &earlyv3.HeaderMutation{}
	for _, prefix := range edgeOnly {
		mutation.Mutations = append(mutation.Mutations, &mutationv3.HeaderMutation{
			Action: &mutationv3.HeaderMutation_RemoveOnMatch_{RemoveOnMatch: &mutationv3.HeaderMutation_RemoveOnMatch{
				KeyMatcher: &matcherv3.StringMatcher{MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: prefix}},
			}},
		})
	}
	return []*corev3.TypedExtensionConfig{{
		Name:        "envoy.http.early_header_mutation.header_mutation",
		TypedConfig: typed(mutation),
	}}
}
