package envoy

import (
	_ "embed"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	luav3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/lua/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
)

// The names of the filters. Routes configure the first by the same name.
const (
	answersName     = "answers"
	statusName      = "status"
	underscoresName = "underscores"
)

//go:embed answers.lua
var answersScript string

//go:embed status.lua
var statusScript string

//go:embed underscores.lua
var underscoresScript string

// answerFilters returns the filters that give callers by gRPC-Web and REST the answers
// that their clients expect, where Envoy's own differ. No native gRPC call passes them.
func answerFilters() []*hcmv3.HttpFilter {
	return []*hcmv3.HttpFilter{off(script(answersName, answersScript))}
}

// underscoreFilters returns the filter that refuses headers with an underscore in their name, if
// the configuration asks for it. It notes its reason for [accessLog].
func underscoreFilters(c Config) []*hcmv3.HttpFilter {
	if c.Underscores != RefuseUnderscores {
		return nil
	}
	return []*hcmv3.HttpFilter{script(underscoresName, underscoresScript)}
}

// statusFilter returns the filter that notes the status of a call for [accessLog].
func statusFilter() *hcmv3.HttpFilter { return off(script(statusName, statusScript)) }

func script(name, text string) *hcmv3.HttpFilter {
	return httpFilter(name, &luav3.Lua{DefaultSourceCode: &corev3.DataSource{
		Specifier: &corev3.DataSource_InlineString{InlineString: text},
	}})
}
