package e2e

import (
	"net/http"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/envoy/nameserver"
	"example.com/grpc-edge/envoy/prototest"
)

// waysProto has a method that is tried again when a pod fails, one that is not, and a stream. [ways]
// lists how they are called.
const waysProto = `
package test;
import "google/api/annotations.proto";
import "google/protobuf/empty.proto";
service Ways {
  rpc Get(google.protobuf.Empty) returns (google.protobuf.Empty) {
    option idempotency_level = NO_SIDE_EFFECTS;
    option (google.api.http) = {get: "/v1/ways"};
  }
  rpc Put(google.protobuf.Empty) returns (google.protobuf.Empty) { option (google.api.http) = {post: "/v1/ways" body: "*"}; }
  rpc Watch(google.protobuf.Empty) returns (stream google.protobuf.Empty) { option (google.api.http) = {get: "/v1/watch"}; }
}`

const (
	waysGet   = "/test.Ways/Get"
	waysPut   = "/test.Ways/Put"
	waysWatch = "/test.Ways/Watch"
)

// failure describes calls that fail by no fault of the pod.
type failure struct {
	name    string
	timeout string
	handle  func(grpc.ServerStream) error
	want    codes.Code
}

var failures = []failure{
	{"a deadline shorter than the method takes", "8m", func(stream grpc.ServerStream) error {
		<-stream.Context().Done()
		return stream.SendMsg(&emptypb.Empty{})
	}, codes.DeadlineExceeded},
	{"the pod's own DEADLINE_EXCEEDED, after headers as the chassis sends it", "1M", func(stream grpc.ServerStream) error {
		if err := stream.SendHeader(nil); err != nil {
			return err
		}
		return status.Error(codes.DeadlineExceeded, "as the test wants")
	}, codes.DeadlineExceeded},
	{"an error with large details", "1M", func(grpc.ServerStream) error {
		large, err := status.New(codes.PermissionDenied, "no").WithDetails(&errdetails.ErrorInfo{Reason: strings.Repeat("d", 70<<10)})
		if err != nil {
			return err
		}
		return large.Err()
	}, codes.PermissionDenied},
	{"INTERNAL", "1M", func(grpc.ServerStream) error { return status.Error(codes.Internal, "as the test wants") }, codes.Internal},
}

// TestNoWayEjectsAPod fails calls by every way, to a stable version and to its canary, as
// callers can have them fail.
func TestNoWayEjectsAPod(t *testing.T) {
	t.Parallel()
	const header = "x-release"
	var canaries []*backend
	p := startPodsWith(t, func(names *nameserver.Server, c *envoy.Config) {
		c.REST = true
		stable := &c.Backends[0]
		stable.Services = prototest.Services(t, waysProto)
		stable.Canary = &envoy.Canary{Address: canaryPods, Header: header}
		hosts := []string{"127.0.0.5", "127.0.0.6", "127.0.0.7"}
		names.Set(canaryPods, hosts...)
		for _, host := range hosts {
			canaries = append(canaries, serve(t, host, stable.Port))
		}
	})
	versions := map[string][]*backend{"stable": p.backends, "canary": canaries}
	clusters := map[string]string{"stable": "probe", "canary": "probe-canary"}
	client := p.browser(t, true)
	for version, backends := range versions {
		p.awaitPods(t, clusters[version], 3)
		for _, f := range failures {
			for _, b := range backends {
				b.answer(f.handle)
			}
			p.failEveryWay(t, client, f, map[string]string{header: version, "Grpc-Timeout": f.timeout}, clusters[version])
		}
	}
}

// failEveryWay makes calls that fail, and looks for ejected pods of the cluster.
func (p *pods) failEveryWay(t *testing.T, client *http.Client, f failure, header map[string]string, cluster string) {
	t.Helper()
	const calls = 30
	for way, change := range ways {
		for _, method := range []string{waysGet, waysPut, waysWatch} {
			before := p.counter(t, "cluster."+cluster+".upstream_rq_total")
			for range calls {
				got, err := p.rawBy(t, client, method, func(r *http.Request) {
					change(r)
					for key, value := range header {
						r.Header.Set(key, value)
					}
				})
				if err != nil || got.outcome() != f.want {
					t.Fatalf("%s, %s by %s = %v, %v, want %v", f.name, method, way, got, err, f.want)
				}
			}
			if got := p.counter(t, "cluster."+cluster+".upstream_rq_total") - before; got < calls {
				t.Errorf("%s, %s by %s: %d calls reached a pod of %s, want %d", f.name, method, way, got, cluster, calls)
			}
			if got := p.counter(t, "cluster."+cluster+".outlier_detection.ejections_enforced_total"); got != 0 {
				t.Fatalf("%s, %s by %s: pods of %s were ejected %d times, want never", f.name, method, way, cluster, got)
			}
		}
	}
}
