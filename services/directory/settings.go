package main

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// settings holds the environment, read and checked.
type settings struct {
	files   *protoregistry.Files
	targets map[protoreflect.FullName]string // of gRPC, by service
}

// readSettings reads the variables that the package comment lists. The error
// names every wrong one, its value, and what it may be.
func readSettings(getenv func(string) string) (settings, error) {
	files, err := readDescriptors(getenv("DESCRIPTORS"))
	if err != nil {
		err = fmt.Errorf("DESCRIPTORS=%q must be the path of a binary FileDescriptorSet, packed by gzip, that has all it imports: %w",
			getenv("DESCRIPTORS"), err)
	}
	targets, backendsErr := readBackends(getenv("BACKENDS"), files)
	if err := errors.Join(err, backendsErr); err != nil {
		return settings{}, fmt.Errorf("reading the environment:\n%w", err)
	}
	return settings{files: files, targets: targets}, nil
}

// readDescriptors reads a set, and adds the files of what the directory serves.
func readDescriptors(path string) (*protoregistry.Files, error) {
	content, err := unpack(path)
	if err != nil {
		return nil, err
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(content, set); err != nil {
		return nil, err
	}
	files, err := protodesc.NewFiles(set)
	if err != nil {
		return nil, err
	}
	for _, file := range ownFiles {
		if _, err := files.FindFileByPath(file.Path()); err == nil {
			continue
		}
		if err := files.RegisterFile(file); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// unpack reads a file that gzip has packed.
func unpack(path string) ([]byte, error) {
	packed, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer packed.Close()
	content, err := gzip.NewReader(packed)
	if err != nil {
		return nil, err
	}
	return io.ReadAll(content)
}

// readBackends reads the targets of services. Without files it checks only
// their form.
func readBackends(value string, files *protoregistry.Files) (map[protoreflect.FullName]string, error) {
	targets := map[protoreflect.FullName]string{}
	var wrong []error
	for backend := range strings.SplitSeq(value, ",") {
		service, target, found := strings.Cut(backend, "=")
		name := protoreflect.FullName(service)
		switch {
		case !found || !name.IsValid() || target == "":
			wrong = append(wrong, fmt.Errorf("BACKENDS has %q, which must be the full name of a service, =, and a gRPC target, "+
				"such as api.Echo=dns:///echo.example.com:8080; commas are between backends", backend))
		case targets[name] != "":
			wrong = append(wrong, fmt.Errorf("BACKENDS has %s twice, with %q and %q", name, targets[name], target))
		case files != nil && !isService(files, name):
			wrong = append(wrong, fmt.Errorf("BACKENDS has %s, which is no service in DESCRIPTORS", name))
		}
		targets[name] = target
	}
	return targets, errors.Join(wrong...)
}

func isService(files *protoregistry.Files, name protoreflect.FullName) bool {
	found, err := files.FindDescriptorByName(name)
	_, ok := found.(protoreflect.ServiceDescriptor)
	return err == nil && ok
}
