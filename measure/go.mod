module example.com/grpc-edge/measure

go 1.26.0

require (
	example.com/grpc-edge/services/echo v0.0.0
	example.com/grpc-edge/services/reverse v0.0.0
	golang.org/x/sys v0.50.0
	google.golang.org/grpc v1.85.0
	google.golang.org/protobuf v1.36.12
)

require (
	github.com/google/go-cmp v0.7.0 // indirect
	gotest.tools/v3 v3.5.2
)

require (
	golang.org/x/net v0.62.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/genproto/googleapis/api v0.0.0-20261110000943-09e21b237f2c // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20261110000943-09e21b237f2c // indirect
)

replace (
	example.com/grpc-edge/services/chassis => ../services/chassis
	example.com/grpc-edge/services/echo => ../services/echo
	example.com/grpc-edge/services/reverse => ../services/reverse
)
