package envoy

import (
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
)

// clientFilters refuses clients by their address.
func clientFilters(_ Config) []*hcmv3.HttpFilter {
	return nil
}
