// Package directory runs the service that answers reflection and health for all
// services at the edge (services/directory).
package directory

import (
	"fmt"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/infra/service"
	"example.com/grpc-edge/infra/workload"
)

// Name is the name of the workload.
const Name = "directory"

// descriptorsFile is the path at which the program reads the descriptors. They are packed by
// gzip. The descriptors of 500 services of 10 methods are larger than a ConfigMap, and take less
// than a tenth of one when packed.
const descriptorsFile = "/etc/directory/services.binpb.gz"

// Directory is the running service.
type Directory struct {
	pulumi.ResourceState
}

// Args describe the directory.
type Args struct {
	// Service holds the settings that it shares with every other service.
	Service service.Args
	// Backends lists the backends whose health it reports.
	Backends []envoy.Backend
	// Descriptors describe all services that it shows.
	Descriptors *descriptorpb.FileDescriptorSet
}

// New deploys the directory.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Directory, error) {
	d := &Directory{}
	if err := ctx.RegisterComponentResource("grpc-edge:directory:Directory", name, d, opts...); err != nil {
		return nil, fmt.Errorf("registering directory %q: %w", name, err)
	}
	content, err := proto.MarshalOptions{Deterministic: true}.Marshal(args.Descriptors)
	if err != nil {
		return nil, fmt.Errorf("writing the descriptors of %q: %w", name, err)
	}
	if content, err = workload.Pack(content); err != nil {
		return nil, fmt.Errorf("packing the descriptors of %q: %w", name, err)
	}
	run := args.Service
	run.Name, run.Files = Name, map[string][]byte{descriptorsFile: content}
	run.Spec.Memory = memory(len(args.Backends))
	run.Spec.Environment = map[string]string{"DESCRIPTORS": descriptorsFile, "BACKENDS": targets(args.Backends)}
	for _, backend := range args.Backends {
		run.Calls = append(run.Calls, backend.Name)
	}
	if _, err := service.New(ctx, name, &run, pulumi.Parent(d)); err != nil {
		return nil, err
	}
	return d, ctx.RegisterResourceOutputs(d, pulumi.Map{})
}

// memory returns the memory request of a pod. The limit is twice as high. The
// directory has a connection to each pod of each backend: with 500 services of 10 methods and
// three pods it uses 140 MiB (TestManyServicesFitIntoAPod, services/directory).
func memory(backends int) string {
	const least, base, each = 64 << 10, 32 << 10, 1 << 8 // KiB
	return fmt.Sprintf("%dMi", max(least, base+each*backends)>>10)
}

// targets returns the target address of each gRPC service.
func targets(backends []envoy.Backend) string {
	var list []string
	for _, backend := range backends {
		for _, s := range backend.Services {
			list = append(list, fmt.Sprintf("%s=dns:///%s:%d", s.FullName(), backend.Address, backend.Port))
		}
	}
	return strings.Join(list, ",")
}
