package envoy

import (
	_ "embed"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	luav3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/lua/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
)

// The names of the filters. Routes configure the first by the same name.
const (
	answersName = "answers"
	statusName  = "status"
)

//go:embed answers.lua
var answersScript string

//go:embed status.lua
var statusScript string

// answerFilters returns the filters that give callers by gRPC-Web and REST the answers
// that their clients expect, where Envoy's own differ. No native gRPC call passes them.
func answerFilters() []*hcmv3.HttpFilter {
	return []*hcmv3.HttpFilter{script(answersName, answersScript)}
}

// statusFilter returns the filter that notes the status of a call for [accessLog].
func statusFilter() *hcmv3.HttpFilter { return script(statusName, statusScript) }

func script(name, text string) *hcmv3.HttpFilter {
	return off(httpFilter(name, &luav3.Lua{DefaultSourceCode: &corev3.DataSource{
		Specifier: &corev3.DataSource_InlineString{InlineString: text},
	}}))
}
