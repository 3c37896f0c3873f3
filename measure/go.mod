module example.com/grpc-edge/measure

go 1.26.0

require (
	example.com/grpc-edge/services/echo v0.0.0
	example.com/grpc-edge/services/reverse v0.0.0
	golang.org/x/sys v0.47.0
	google.golang.org/grpc v1.82.1
	google.golang.org/protobuf v1.36.11
)

require (
	golang.org/x/net v0.55.0 // indirect
	golang.org/x/text v0.37.0 // indirect
	google.golang.org/genproto/googleapis/api v0.0.0-20260526163538-3dc84a4a5aaa // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260526163538-3dc84a4a5aaa // indirect
)

replace (
	example.com/grpc-edge/services/chassis => ../services/chassis
	example.com/grpc-edge/services/echo => ../services/echo
	example.com/grpc-edge/services/reverse => ../services/reverse
)
