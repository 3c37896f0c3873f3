package envoy

import (
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
)

// webFilters answers web pages: CORS and gRPC-Web.
func webFilters(_ Config) []*hcmv3.HttpFilter {
	return nil
}
