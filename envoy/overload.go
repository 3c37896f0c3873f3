package envoy

import (
	"fmt"
	"time"

	overloadv3 "github.com/envoyproxy/go-control-plane/envoy/config/overload/v3"
	connectionsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/downstream_connections/v3"
	heapv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/fixed_heap/v3"
	injectedv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/resource_monitors/injected_resource/v3"
	"google.golang.org/protobuf/types/known/durationpb"
)

// heapShare is the percentage of the container's memory that Envoy's heap may
// take. The rest is for everything else that the kernel counts: socket buffers,
// stacks, and the program's own pages.
//
// Envoy watches its heap, not the memory use of the cgroup. The latter includes
// files in the page cache, which the kernel can free and Envoy cannot.
const heapShare = 80

// The actions at these shares of the heap's limit: first those that fail no call.
// The order and 0.95 are those of Envoy's examples
// (docs/root/configuration/operations/overload_manager/overload_manager.rst). Their
// disable_http_keepalive is left out: each answer would close the connection, so that each call costs
// a handshake when memory is short.
const (
	beginToSave       = 0.85
	refuseCalls       = 0.95
	refuseConnections = 0.98
)

const (
	overloadRefresh = 250 * time.Millisecond // of the edge guide; Envoy's default is 1 s
	// idleAtLeast is the time without a call after which a client may have to leave.
	idleAtLeast = 2 * time.Second
	// streamToTrack is the buffer size from which a stream may be reset: 64 KiB, as a
	// power of two. A stream that its client reads holds less than its window.
	streamToTrack = 16
)

const (
	heapMonitor        = "envoy.resource_monitors.fixed_heap"
	drainMonitor       = "envoy.resource_monitors.injected_resource"
	connectionsMonitor = "envoy.resource_monitors.global_downstream_max_connections"
)

// overloadManager limits the resources that all clients together can use.
func overloadManager(c Config) *overloadv3.OverloadManager {
	manager := &overloadv3.OverloadManager{
		RefreshInterval:  durationpb.New(overloadRefresh),
		ResourceMonitors: []*overloadv3.ResourceMonitor{totalLimit(c.MaxConnections)},
	}
	var leave []*overloadv3.Trigger // for clients that make no calls
	if c.DrainFile != "" {
		manager.ResourceMonitors = append(manager.ResourceMonitors, monitor(drainMonitor, &injectedv3.InjectedResourceConfig{Filename: c.DrainFile}))
		leave = append(leave, at(drainMonitor, 1))
	}
	if c.MemoryLimit != 0 {
		manager.ResourceMonitors = append(manager.ResourceMonitors, monitor(heapMonitor,
			&heapv3.FixedHeapConfig{MaxHeapSizeBytes: uint64(c.MemoryLimit / 100 * heapShare)}))
		manager.BufferFactoryConfig = &overloadv3.BufferFactoryConfig{MinimumAccountToTrackPowerOfTwo: streamToTrack}
		manager.Actions = shedLoad()
		leave = append(leave, between(beginToSave, refuseCalls)...)
	}
	if leave != nil {
		manager.Actions = append(manager.Actions, &overloadv3.OverloadAction{
			Name: "envoy.overload_actions.reduce_timeouts", Triggers: leave, TypedConfig: typed(closeIdleSooner()),
		})
	}
	return manager
}

// shedLoad returns the actions when memory is short.
func shedLoad() []*overloadv3.OverloadAction {
	return []*overloadv3.OverloadAction{
		{Name: "envoy.overload_actions.shrink_heap", Triggers: above(beginToSave)},
		{Name: "envoy.overload_actions.reset_high_memory_stream", Triggers: between(beginToSave, refuseCalls)},
		// gRPC gets UNAVAILABLE, others 503; calls under way continue.
		{Name: "envoy.overload_actions.stop_accepting_requests", Triggers: above(refuseCalls)},
		// Closed at once, so that the client tries elsewhere, rather than left in
		// the kernel's queue.
		{Name: "envoy.overload_actions.reject_incoming_connections", Triggers: above(refuseConnections)},
	}
}

// totalLimit limits the connections of the whole process. Envoy looks the monitor up
// by this fixed name.
//
// The other listeners count too, and have a reserve instead of ignoring the limit.
// Each closed connection of a listener that ignores it is subtracted from the count,
// although it was never added: after a few probes there is no limit (seen with Envoy
// 1.39.1 in its failed_updates; envoy issue 41867 looks the same).
func totalLimit(connections int64) *overloadv3.ResourceMonitor {
	return monitor(connectionsMonitor, &connectionsv3.DownstreamConnectionsConfig{
		MaxActiveDownstreamConnections: connections + operationsReserve,
	})
}

// closeIdleSooner shortens the idle timeout of connections without a call under way: they use memory too,
// and their clients get GOAWAY only by it while Envoy drains. Clients with calls get it with an
// answer.
func closeIdleSooner() *overloadv3.ScaleTimersOverloadActionConfig {
	return &overloadv3.ScaleTimersOverloadActionConfig{
		TimerScaleFactors: []*overloadv3.ScaleTimersOverloadActionConfig_ScaleTimer{{
			Timer: overloadv3.ScaleTimersOverloadActionConfig_HTTP_DOWNSTREAM_CONNECTION_IDLE,
			OverloadAdjust: &overloadv3.ScaleTimersOverloadActionConfig_ScaleTimer_MinTimeout{
				MinTimeout: durationpb.New(idleAtLeast),
			},
		}},
	}
}

func monitor(name string, config message) *overloadv3.ResourceMonitor {
	return &overloadv3.ResourceMonitor{
		Name:       name,
		ConfigType: &overloadv3.ResourceMonitor_TypedConfig{TypedConfig: typed(config)},
	}
}

func above(share float64) []*overloadv3.Trigger {
	return []*overloadv3.Trigger{at(heapMonitor, share)}
}

// at returns a trigger that fires from a share of the resource that a monitor watches.
func at(monitor string, share float64) *overloadv3.Trigger {
	return &overloadv3.Trigger{
		Name:         monitor,
		TriggerOneof: &overloadv3.Trigger_Threshold{Threshold: &overloadv3.ThresholdTrigger{Value: share}},
	}
}

func between(low, high float64) []*overloadv3.Trigger {
	return []*overloadv3.Trigger{{
		Name: heapMonitor,
		TriggerOneof: &overloadv3.Trigger_Scaled{Scaled: &overloadv3.ScaledTrigger{
			ScalingThreshold: low, SaturationThreshold: high,
		}},
	}}
}

func (c Config) validateMemoryLimit() error {
	const least = 1 << 20
	if c.MemoryLimit != 0 && c.MemoryLimit < least {
		return fmt.Errorf("MemoryLimit: %d must be that of the container in bytes, such as %d, or 0 for none", c.MemoryLimit, 512<<20)
	}
	return nil
}
