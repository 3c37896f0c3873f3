package envoy

import (
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
)

const (
	// timeoutHeader holds the client's timeout for a call (gRPC's doc/PROTOCOL-HTTP2.md).
	timeoutHeader = "grpc-timeout"
	// DeadlineHeader holds the time that a backend has for a call, in the format of
	// grpc-timeout: the client's timeout, capped at MaxDeadline. Only the edge writes
	// it. It is absent if the client set no deadline.
	DeadlineHeader = "x-grpc-timeout"
	// deadlineOffset is the time by which the edge ends a call before the client does. Both time the
	// same deadline, so the edge has answered when the client's reset arrives. Otherwise that would
	// count as an early reset. Too many of those close the connection, see earlyResets. With 3 ms, most
	// clients on a busy machine still were first. Shorter deadlines are over at once.
	deadlineOffset = 5 * time.Millisecond
)

// moveDeadline passes the deadline to backends under another name, so that the edge
// ends the call, not the backend's gRPC library. Libraries reset the stream when a
// deadline has passed (grpc-go's http2_server.go), which looks like a broken pod: with
// deadlines shorter than a method takes, any client could get healthy pods ejected.
//
// Envoy applies the settings of a virtual host before those of the route configuration,
// and both after it has capped the deadline. Every kind of call needs this.
func moveDeadline(routes *routev3.RouteConfiguration) *routev3.RouteConfiguration {
	for _, host := range routes.VirtualHosts {
		host.RequestHeadersToAdd = append(host.RequestHeadersToAdd, &corev3.HeaderValueOption{
			Header:       &corev3.HeaderValue{Key: DeadlineHeader, Value: "%REQ(" + timeoutHeader + ")%"},
			AppendAction: corev3.HeaderValueOption_OVERWRITE_IF_EXISTS_OR_ADD,
		})
	}
	routes.RequestHeadersToRemove = append(routes.RequestHeadersToRemove, timeoutHeader)
	return routes
}
