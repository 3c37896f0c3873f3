package main

import (
	"context"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"

	"example.com/grpc-edge/services/catalog"
)

// templateFile in a service's folder is buf's own configuration of what to generate: for
// another language, or for Go code in another place. It replaces the default.
const templateFile = "buf.gen.yaml"

// generateCode generates the code of a service that is a Go module, beside its protos,
// or according to its own template. It returns the files' paths relative to out.
func (s *service) generateCode(ctx context.Context, out string, set *descriptorpb.FileDescriptorSet) ([]string, error) {
	template := path.Join(s.folder, templateFile)
	at := path.Join(out, s.folder)
	if _, err := os.Stat(filepath.Join(s.root, template)); errors.Is(err, fs.ErrNotExist) {
		if s.goModule == "" {
			return nil, nil
		}
		own, err := catalog.OwnFiles(filepath.Join(s.root, s.folder), set)
		if err != nil {
			return nil, err
		}
		if template, err = s.goTemplate(own); err != nil {
			return nil, err
		}
		at = path.Join(out, s.importRoot)
		if _, err := s.buf(ctx, "generate", s.importRoot, "--template", template, "-o", at); err != nil {
			return nil, err
		}
		return goFiles(s.importRoot, own), nil
	} else if err != nil {
		return nil, err
	}
	_, err := s.buf(ctx, "generate", s.importRoot, "--template", template, "-o", at)
	return nil, err
}

// goTemplate returns the settings that place the Go code, whatever go_package the files
// have: a team's own protos name packages of their own repository.
func (s *service) goTemplate(own []protoreflect.FileDescriptor) (string, error) {
	options := []string{"paths=source_relative"}
	prefix := path.Join(s.goModule, strings.TrimPrefix(s.importRoot, s.folder))
	names := map[string]string{}
	for _, file := range own {
		dir := path.Dir(file.Path())
		if names[dir] == "" {
			names[dir] = goPackage(file)
		}
		options = append(options, "M"+file.Path()+"="+path.Join(prefix, dir)+";"+names[dir])
	}
	var plugins []any
	for _, name := range []string{"protoc-gen-go", "protoc-gen-go-grpc"} {
		plugins = append(plugins, map[string]any{"local": ".cache/bin/" + name, "out": ".", "opt": options})
	}
	template, err := json.Marshal(map[string]any{"version": "v2", "plugins": plugins})
	return string(template), err
}

var (
	version  = regexp.MustCompile(`^v[0-9]+(?:(?:alpha|beta|test)[0-9]*)?$`)
	notInGo  = regexp.MustCompile(`[^a-z0-9]`)
	lastPart = regexp.MustCompile(`([^./]+)$`)
)

// goPackage returns the name of the Go package of a file: the last part of its proto
// package, with the part before if that is a version, as greeterv1 of greeter.v1.
func goPackage(file protoreflect.FileDescriptor) string {
	parts := strings.Split(string(file.Package()), ".")
	last := parts[len(parts)-1]
	if version.MatchString(last) && len(parts) > 1 {
		last = parts[len(parts)-2] + last
	}
	if last == "" {
		last = lastPart.FindString(path.Dir(file.Path()))
	}
	name := notInGo.ReplaceAllString(strings.ToLower(last), "")
	if name == "" || name == "main" {
		return "protos"
	}
	return name
}

// goFiles lists the files with the Go code of the protos.
func goFiles(importRoot string, own []protoreflect.FileDescriptor) []string {
	var files []string
	for _, file := range own {
		base := path.Join(importRoot, strings.TrimSuffix(file.Path(), ".proto"))
		files = append(files, base+".pb.go")
		if file.Services().Len() > 0 {
			files = append(files, base+"_grpc.pb.go")
		}
	}
	return files
}

// generatedCode lists the existing Go code of protos, of services without a template of
// their own.
func generatedCode(services []service) ([]string, error) {
	var found []string
	for _, s := range services {
		if _, err := os.Stat(filepath.Join(s.root, s.folder, templateFile)); err == nil || s.goModule == "" {
			continue
		}
		err := fs.WalkDir(os.DirFS(s.root), s.folder, func(file string, entry fs.DirEntry, err error) error {
			if err == nil && !entry.IsDir() && strings.HasSuffix(file, ".pb.go") {
				found = append(found, file)
			}
			return err
		})
		if err != nil {
			return nil, err
		}
	}
	return found, nil
}
