package catalog

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// DescriptorFile holds a FileDescriptorSet of the protos of a service and all that
// they import. `make generate` writes it.
const DescriptorFile = "descriptor.binpb"

// files returns the proto files that are in the folder itself, and not imported
// from elsewhere, in the order of the set.
func files(dir string) ([]protoreflect.FileDescriptor, error) {
	content, err := os.ReadFile(filepath.Join(dir, DescriptorFile))
	if err != nil {
		return nil, err
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(content, set); err != nil {
		return nil, fmt.Errorf("reading %s: %w; write it again with: make generate", filepath.Join(dir, DescriptorFile), err)
	}
	registry, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w; write it again with: make generate", filepath.Join(dir, DescriptorFile), err)
	}
	var own []protoreflect.FileDescriptor
	for _, file := range set.GetFile() {
		_, err := os.Stat(filepath.Join(dir, filepath.FromSlash(file.GetName())))
		if errors.Is(err, fs.ErrNotExist) {
			continue // an import
		}
		if err != nil {
			return nil, err
		}
		descriptor, err := registry.FindFileByPath(file.GetName())
		if err != nil {
			return nil, fmt.Errorf("finding %s among the descriptors: %w", file.GetName(), err)
		}
		own = append(own, descriptor)
	}
	return own, nil
}
