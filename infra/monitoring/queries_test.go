package monitoring

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/types/descriptorpb"

	"example.com/grpc-edge/envoy"
)

// watching defines streams that are called Watch, and other methods of the same name.
const watching = `
name: "watching.proto" package: "shop.v1" syntax: "proto3"
message_type { name: "M" }
service { name: "Stock"  method { name: "Watch" input_type: ".shop.v1.M" output_type: ".shop.v1.M" server_streaming: true }
                         method { name: "Get" input_type: ".shop.v1.M" output_type: ".shop.v1.M" } }
service { name: "Orders" method { name: "Watch" input_type: ".shop.v1.M" output_type: ".shop.v1.M" server_streaming: true } }
service { name: "Clocks" method { name: "Watch" input_type: ".shop.v1.M" output_type: ".shop.v1.M" } }
service { name: "Files"  method { name: "Upload" input_type: ".shop.v1.M" output_type: ".shop.v1.M" client_streaming: true }
                         method { name: "Follow" input_type: ".shop.v1.M" output_type: ".shop.v1.M" client_streaming: true server_streaming: true } }
`

func TestLatencyLeavesOutStreams(t *testing.T) {
	t.Parallel()
	described := &descriptorpb.FileDescriptorProto{}
	if err := prototext.Unmarshal([]byte(watching), described); err != nil {
		t.Fatal(err)
	}
	file, err := protodesc.NewFile(described, nil)
	if err != nil {
		t.Fatal(err)
	}
	backend := envoy.Backend{}
	for i := range file.Services().Len() {
		backend.Services = append(backend.Services, file.Services().Get(i))
	}
	const buckets = `rate(envoy_cluster_grpc_upstream_rq_time_bucket{s="1"`
	for name, test := range map[string]struct {
		config envoy.Config
		want   string
	}{
		"streams": {envoy.Config{Backends: []envoy.Backend{backend}}, buckets + `}[5m])` +
			` unless ` + buckets + `,envoy_grpc_bridge_service=~"shop\\.v1\\.Files",envoy_grpc_bridge_method=~"Follow|Upload"}[5m])` +
			` unless ` + buckets + `,envoy_grpc_bridge_service=~"shop\\.v1\\.Orders|shop\\.v1\\.Stock",envoy_grpc_bridge_method=~"Watch"}[5m])`},
		"none": {envoy.Config{}, buckets + `}[5m])`},
	} {
		want := `histogram_quantile(0.99, sum by (le, envoy_grpc_bridge_service) (` + test.want + `))`
		if got := quantile(0.99, `s="1"`, serviceLabel, streaming(test.config)...); got != want {
			t.Errorf("%s: got\n%s\nwant\n%s", name, got, want)
		}
	}
}

// TestAlertsAreExplained checks that docs/operations.md says what to do when each alert fires, and of no
// others.
func TestAlertsAreExplained(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## When an alert fires\n")
	section, _, _ = strings.Cut(section, "\n## ")
	var want []string
	for _, a := range alerts(&Args{}) {
		want = append(want, fmt.Sprintf("| **%s** (%s) ", a.title, strings.ToLower(a.severity)))
	}
	for _, row := range want {
		if !strings.Contains(section, "\n"+row) {
			t.Errorf("docs/operations.md has no row that begins with %q", row)
		}
	}
	if rows := strings.Count(section, "\n| **"); rows != len(want) {
		t.Errorf("docs/operations.md explains %d alerts, want %d", rows, len(want))
	}
}
