module example.com/grpc-edge/cmd/service

go 1.26.0

require (
	example.com/grpc-edge/services/catalog v0.0.0
	golang.org/x/mod v0.43.0
	gopkg.in/yaml.v3 v3.0.1
	gotest.tools/v3 v3.5.2
)

require (
	github.com/agext/levenshtein v1.2.3 // indirect
	github.com/google/go-cmp v0.7.0 // indirect
	google.golang.org/protobuf v1.36.12 // indirect
)

replace example.com/grpc-edge/services/catalog => ../../services/catalog
