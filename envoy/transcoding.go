package envoy

import (
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
)

// transcodingFilters answers JSON over HTTP for methods with an HTTP annotation.
func transcodingFilters(_ Config) []*hcmv3.HttpFilter {
	return nil
}
