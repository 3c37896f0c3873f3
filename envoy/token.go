package envoy

import (
	"slices"
	"strings"

	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
)

// tokenFilterName is what routes call the filter that asks for a token.
const tokenFilterName = "envoy.filters.http.jwt_authn"

// payloadHeader tells backends the claims of a verified token: its payload, as the
// token has it, in base64url.
const payloadHeader = "x-jwt-payload"

// tokenFilters asks for a JSON Web Token where a rule wants one.
func tokenFilters(_ Config) []*hcmv3.HttpFilter {
	return nil
}

// requirementName names the requirement that one of the issuers has issued the
// token, in whatever order they are given.
func requirementName(issuers []string) string {
	return strings.Join(slices.Sorted(slices.Values(issuers)), " or ")
}
