package catalog

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

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
	own, err := OwnFiles(dir, set)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w; write it again with: make generate", filepath.Join(dir, DescriptorFile), err)
	}
	return own, nil
}

// OwnFiles returns the files of the set that are in the folder dir, in the order of
// the set. Their paths may begin at the folder or at one below it, such as proto.
func OwnFiles(dir string, set *descriptorpb.FileDescriptorSet) ([]protoreflect.FileDescriptor, error) {
	registry, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, err
	}
	present, err := protoFiles(dir)
	if err != nil {
		return nil, err
	}
	var own []protoreflect.FileDescriptor
	for _, file := range set.GetFile() {
		if !slices.ContainsFunc(present, func(path string) bool { return strings.HasSuffix("/"+path, "/"+file.GetName()) }) {
			continue // an import
		}
		descriptor, err := registry.FindFileByPath(file.GetName())
		if err != nil {
			return nil, fmt.Errorf("finding %s among the descriptors: %w", file.GetName(), err)
		}
		own = append(own, descriptor)
	}
	return own, nil
}

// protoFiles lists the proto files below the folder, by their paths from there with slashes.
func protoFiles(dir string) ([]string, error) {
	var found []string
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, entry fs.DirEntry, err error) error {
		if err == nil && !entry.IsDir() && strings.HasSuffix(path, ".proto") {
			found = append(found, path)
		}
		return err
	})
	return found, err
}
