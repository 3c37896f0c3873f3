module example.com/grpc-edge/bench

go 1.26.0

require (
	example.com/grpc-edge/envoy v0.0.0
	example.com/grpc-edge/measure v0.0.0
	example.com/grpc-edge/services/echo v0.0.0
	google.golang.org/genproto/googleapis/api v0.0.0-20261110000943-09e21b237f2c
	google.golang.org/grpc v1.85.0
	google.golang.org/protobuf v1.36.12
	sigs.k8s.io/yaml v1.6.0
)

require (
	example.com/grpc-edge/services/reverse v0.0.0 // indirect
	github.com/agext/levenshtein v1.2.3 // indirect
	github.com/google/go-cmp v0.7.0 // indirect
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/sys v0.50.0 // indirect
	gopkg.in/yaml.v3 v3.0.1 // indirect
	gotest.tools/v3 v3.5.2 // indirect
)

require (
	cel.dev/expr v0.25.3 // indirect
	example.com/grpc-edge/internal v0.0.0
	example.com/grpc-edge/services/catalog v0.0.0
	github.com/cncf/xds/go v0.0.0-20260202195803-dba9d589def2 // indirect
	github.com/envoyproxy/go-control-plane/envoy v1.39.1-0.20260819172001-e6e3fd93e4be // indirect
	github.com/envoyproxy/protoc-gen-validate v1.3.3 // indirect
	github.com/planetscale/vtprotobuf v0.6.1-0.20240319094008-0393e58bdf10 // indirect
	go.yaml.in/yaml/v2 v2.4.4 // indirect
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20261110000943-09e21b237f2c // indirect
)

replace (
	example.com/grpc-edge/envoy => ../envoy
	example.com/grpc-edge/measure => ../measure
	example.com/grpc-edge/services/chassis => ../services/chassis
	example.com/grpc-edge/services/echo => ../services/echo
	example.com/grpc-edge/services/reverse => ../services/reverse
)

replace example.com/grpc-edge/services/catalog => ../services/catalog

replace example.com/grpc-edge/internal => ../internal
