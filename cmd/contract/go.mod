module example.com/grpc-edge/cmd/contract

go 1.26.0

require (
	github.com/google/go-containerregistry v0.22.1
	golang.org/x/net v0.62.0
	google.golang.org/grpc v1.85.0
)

require (
	github.com/agext/levenshtein v1.2.3 // indirect
	github.com/google/go-cmp v0.7.0 // indirect
	gopkg.in/yaml.v3 v3.0.1 // indirect
)

require (
	example.com/grpc-edge/internal v0.0.0
	example.com/grpc-edge/services/catalog v0.0.0
	github.com/docker/cli v29.7.2+incompatible // indirect
	github.com/docker/docker-credential-helpers v0.9.3 // indirect
	github.com/klauspost/compress v1.19.2 // indirect
	github.com/opencontainers/go-digest v1.0.0 // indirect
	github.com/opencontainers/image-spec v1.1.1 // indirect
	github.com/sirupsen/logrus v1.9.4 // indirect
	golang.org/x/sync v0.24.0 // indirect
	golang.org/x/sys v0.49.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20260817212433-ac3dfec99bb1 // indirect
	google.golang.org/protobuf v1.36.12
	gotest.tools/v3 v3.5.2
)

replace example.com/grpc-edge/internal => ../../internal

replace example.com/grpc-edge/services/catalog => ../../services/catalog
