module example.com/grpc-edge/test

go 1.26.0

require (
	example.com/grpc-edge/cmd/contract v0.0.0
	example.com/grpc-edge/cmd/delivery v0.0.0
	example.com/grpc-edge/measure v0.0.0
	example.com/grpc-edge/services/echo v0.0.0
	example.com/grpc-edge/services/reverse v0.0.0
	github.com/florianl/go-nfqueue/v2 v2.0.2
	github.com/google/go-cmp v0.7.0
	github.com/google/go-containerregistry v0.22.1
	golang.org/x/net v0.62.0
	google.golang.org/grpc v1.85.0
	sigs.k8s.io/yaml v1.6.0
)

require (
	github.com/docker/cli v29.7.2+incompatible // indirect
	github.com/docker/docker-credential-helpers v0.9.3 // indirect
	github.com/josharian/native v1.1.0 // indirect
	github.com/klauspost/compress v1.19.2 // indirect
	github.com/mdlayher/netlink v1.7.2 // indirect
	github.com/mdlayher/socket v0.4.1 // indirect
	github.com/opencontainers/go-digest v1.0.0 // indirect
	github.com/opencontainers/image-spec v1.1.1 // indirect
	github.com/sirupsen/logrus v1.9.4 // indirect
	golang.org/x/sync v0.24.0 // indirect
	gopkg.in/yaml.v3 v3.0.1 // indirect
)

require (
	example.com/grpc-edge/internal v0.0.0
	go.yaml.in/yaml/v2 v2.4.4 // indirect
	golang.org/x/sys v0.50.0 // indirect
	golang.org/x/text v0.43.0 // indirect
	google.golang.org/genproto/googleapis/api v0.0.0-20261110000943-09e21b237f2c // indirect
	google.golang.org/genproto/googleapis/rpc v0.0.0-20261110000943-09e21b237f2c // indirect
	google.golang.org/protobuf v1.36.12
)

replace (
	example.com/grpc-edge/cmd/contract => ../cmd/contract
	example.com/grpc-edge/cmd/delivery => ../cmd/delivery
	example.com/grpc-edge/measure => ../measure
	example.com/grpc-edge/services/chassis => ../services/chassis
	example.com/grpc-edge/services/echo => ../services/echo
	example.com/grpc-edge/services/reverse => ../services/reverse
)

replace example.com/grpc-edge/internal => ../internal
