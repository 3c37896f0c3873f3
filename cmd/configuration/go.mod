module example.com/grpc-edge/cmd/configuration

go 1.26.0

require (
	example.com/grpc-edge/internal v0.0.0
	gopkg.in/yaml.v3 v3.0.1
)

replace example.com/grpc-edge/internal => ../../internal
