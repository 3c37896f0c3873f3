package envoy

import (
	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	overloadv3 "github.com/envoyproxy/go-control-plane/envoy/config/overload/v3"
	connectionsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/downstream_connections/v3"
	"google.golang.org/protobuf/types/known/structpb"
)

// operationsReserve is how many connections are left for probes, scrapes and the
// admin interface when clients hold all of theirs.
const operationsReserve = 100

// clientLimit bounds the connections of clients. The limit of a listener is a
// runtime key with the listener's name in it
// (docs/root/configuration/listeners/runtime.rst).
func clientLimit(connections int64) *bootstrapv3.LayeredRuntime {
	return &bootstrapv3.LayeredRuntime{Layers: []*bootstrapv3.RuntimeLayer{{
		Name: "limits",
		LayerSpecifier: &bootstrapv3.RuntimeLayer_StaticLayer{StaticLayer: &structpb.Struct{
			Fields: map[string]*structpb.Value{
				"envoy.resource_limits.listener." + httpsName + ".connection_limit": structpb.NewNumberValue(float64(connections)),
			},
		}},
	}}}
}

// totalLimit bounds the connections of the whole process. The name of the
// monitor is fixed: Envoy looks it up by this name.
//
// The other listeners count too, and have a reserve instead. Each closed
// connection of a listener that ignores this limit is taken off the count, to
// which it was never added: a few probes, and there is no limit (seen with Envoy
// 1.39.1 in its failed_updates; envoy issue 41867 looks the same).
func totalLimit(connections int64) *overloadv3.OverloadManager {
	return &overloadv3.OverloadManager{
		ResourceMonitors: []*overloadv3.ResourceMonitor{{
			Name: "envoy.resource_monitors.global_downstream_max_connections",
			ConfigType: &overloadv3.ResourceMonitor_TypedConfig{
				TypedConfig: typed(&connectionsv3.DownstreamConnectionsConfig{
					MaxActiveDownstreamConnections: connections + operationsReserve,
				}),
			},
		}},
	}
}
