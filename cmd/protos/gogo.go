package main

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"sync"

	_ "github.com/gogo/protobuf/gogoproto"
	gogo "github.com/gogo/protobuf/proto"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
)

// registerGogo registers gogoproto/gogo.proto with the other importable files. Its Go
// package registers it elsewhere, and by the path gogo.proto, by which nobody imports it.
var registerGogo = sync.OnceValue(func() error {
	unpacked, err := gzip.NewReader(bytes.NewReader(gogo.FileDescriptor("gogo.proto")))
	if err != nil {
		return fmt.Errorf("unpacking the descriptor of gogo.proto: %w", err)
	}
	content, err := io.ReadAll(unpacked)
	if err != nil {
		return fmt.Errorf("unpacking the descriptor of gogo.proto: %w", err)
	}
	described := &descriptorpb.FileDescriptorProto{}
	if err := proto.Unmarshal(content, described); err != nil {
		return fmt.Errorf("reading the descriptor of gogo.proto: %w", err)
	}
	described.Name = proto.String("gogoproto/gogo.proto")
	described.Dependency = []string{descriptorpb.File_google_protobuf_descriptor_proto.Path()}
	file, err := protodesc.NewFile(described, protoregistry.GlobalFiles)
	if err != nil {
		return fmt.Errorf("reading the descriptor of gogo.proto: %w", err)
	}
	return protoregistry.GlobalFiles.RegisterFile(file)
})
