package envoy

import (
	"time"

	bootstrapv3 "github.com/envoyproxy/go-control-plane/envoy/config/bootstrap/v3"
	"google.golang.org/protobuf/types/known/structpb"
)

// operationsReserve is the number of connections reserved for probes, scrapes and
// the admin interface. They stay free when clients hold all other connections.
const operationsReserve = 100

// The limits of one client. Floods of useless frames, and of streams that are opened
// and reset, end a connection at Envoy's own limits; the tests of abuse check those.
const (
	// requestHeaders is in KiB: twice what gRPC suggests to servers
	// (doc/PROTOCOL-HTTP2.md), for a token and cookies. Envoy's default is 60.
	requestHeaders = 16
	// requestsPerCycle is the number of new calls of one connection that Envoy handles
	// before it turns to other connections. Calls that are reset before their turn reach no
	// backend. Envoy has no limit by default; 10 is Contour's example. 25 is a quarter of what
	// a connection may have by default. Turns of 10 cost calls 2 % more CPU
	// (docs/benchmark.md).
	requestsPerCycle = 25
	// resetBurst and resetRate are the RST_STREAM frames that a connection may send at once, and each
	// second. A library sends one when the server ends a call first, or the client cancels it.
	// Envoy's defaults, 1000 and 33, close connections with 100 such calls a second after a
	// quarter of a minute.
	resetBurst, resetRate = 10_000, 1000
	// earlyReset is the age in whole seconds that a call must exceed for its reset to be none of an
	// attacker's, if it has no answer. With Envoy's default, 1, calls of less than two seconds
	// count.
	earlyReset = 0
	// earlyResets is the number of calls after which Envoy closes a connection if half of them were
	// reset early. With its default, 500, the client of a service that hangs loses its calls to all
	// others as soon as its resets overtake Envoy's answers. With 20,000, attackers cost others
	// calls (abuse-resets in docs/resilience.md).
	earlyResets = 2000
	// flushTimeout is the time that a client has to read the rest of a complete
	// reply. While a reply is still being sent, a slow reader slows only its own call, of
	// which Envoy holds no more than a stream's window; see podStreams.
	flushTimeout = 30 * time.Second
	// idleRequest is the time for which a request that is to be translated may stall. It is Envoy's
	// default for all streams.
	idleRequest = 5 * time.Minute
	// largestPattern is the size of RE2's program for a regular expression of ours. Envoy's
	// default, 100, is less than a gRPC service with a name of 90 characters needs, or the
	// paths of two uploads.
	largestPattern = 1 << 20
)

// runtimeLimits returns the limits that Envoy reads from its runtime
// (docs/root/configuration/listeners/runtime.rst, the release notes of 1.27.1 for
// requests per cycle, configuration/operations/runtime.rst for early resets, and type.matcher.v3.RegexMatcher.GoogleRE2 for patterns). The key of a
// listener's limit contains its name.
func runtimeLimits(connections int64) *bootstrapv3.LayeredRuntime {
	return &bootstrapv3.LayeredRuntime{Layers: []*bootstrapv3.RuntimeLayer{{
		Name: "limits",
		LayerSpecifier: &bootstrapv3.RuntimeLayer_StaticLayer{StaticLayer: &structpb.Struct{
			Fields: map[string]*structpb.Value{
				"envoy.resource_limits.listener." + httpsName + ".connection_limit": structpb.NewNumberValue(float64(connections)),
				"http.max_requests_per_io_cycle":                                    structpb.NewNumberValue(requestsPerCycle),
				"overload.premature_reset_min_stream_lifetime_seconds":              structpb.NewNumberValue(earlyReset),
				"overload.premature_reset_total_stream_count":                       structpb.NewNumberValue(earlyResets),
				"re2.max_program_size.error_level":                                  structpb.NewNumberValue(largestPattern),
			},
		}},
	}}}
}
