module example.com/grpc-edge/cmd/licences

go 1.26.0

require (
	example.com/grpc-edge/internal v0.0.0
	github.com/google/licensecheck v0.3.1
)

replace example.com/grpc-edge/internal => ../../internal
