// Package catalog reads what the repository declares as gRPC services, so that
// the stack, the tools that add services and the tests share one list.
//
// A service is a folder services/NAME with two files: service.yaml says what the
// service needs in every stack, and descriptor.binpb, which `make generate` writes,
// holds the descriptors of its protos. The stack's key `services` has the same
// fields by the name of the service, and overrides them for one environment.
package catalog

import (
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"
)

const (
	// Dir is the folder of all services, below the root of the repository.
	Dir = "services"
	// SpecFile declares a service; a folder without it is none.
	SpecFile = "service.yaml"
)

// Service describes a service and its needs.
type Service struct {
	// Name names its objects in the cluster, its image and its backend at the edge.
	Name string
	// Folder is services/NAME, from the root of the repository, with slashes.
	Folder string
	// Protos holds its own proto files, without those that are needed only by gRPC
	// services that it does not serve.
	Protos []protoreflect.FileDescriptor
	Spec

	overridden map[string]any  // what the stack sets
	given      map[string]bool // the keys that service.yaml or the stack has
}

// Built reports whether the service is a Go module in its folder; otherwise its
// image is built elsewhere.
func (s Service) Built() bool { return s.Image == "" }

// OfGoogle reports whether an image is in a registry of Google. Such a registry takes Google's
// access tokens, and private nodes reach it without Cloud NAT (VPC, "Private Google Access").
func OfGoogle(image string) bool {
	host, _, _ := strings.Cut(image, "/")
	return strings.HasSuffix(host, "-docker.pkg.dev") || host == "gcr.io" || strings.HasSuffix(host, ".gcr.io")
}

// UsesSecretManager reports whether any of its secrets is in Secret Manager.
func (s Service) UsesSecretManager() bool {
	for _, secret := range s.Secrets {
		if secret.Version != "" {
			return true
		}
	}
	return false
}

// Services lists the gRPC services that the service serves.
func (s Service) Services() []protoreflect.ServiceDescriptor { return Served(s.Protos, s.Serves) }

// Methods lists the methods of all gRPC services that the service serves.
func (s Service) Methods() []protoreflect.MethodDescriptor {
	var list []protoreflect.MethodDescriptor
	for _, service := range s.Services() {
		for i := range service.Methods().Len() {
			list = append(list, service.Methods().Get(i))
		}
	}
	return list
}

// Problem describes a value that cannot be used.
type Problem struct {
	// Key is the key of the stack, or the file and its key.
	Key string
	// Message says what is wrong and what the value may be. It is printed after the key.
	Message string
}

// Names lists the services in the repository at root, in order.
func Names(root string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(root, Dir, "*", SpecFile))
	if err != nil {
		return nil, fmt.Errorf("listing the services: %w", err)
	}
	var names []string
	for _, p := range paths {
		names = append(names, filepath.Base(filepath.Dir(p)))
	}
	slices.Sort(names)
	return names, nil
}

// Undeclared returns a problem for each folder that has protos and no service.yaml.
func Undeclared(root string) ([]Problem, error) {
	entries, err := os.ReadDir(filepath.Join(root, Dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("listing the folders of services: %w", err)
	}
	var problems []Problem
	for _, entry := range entries {
		folder := filepath.Join(root, Dir, entry.Name())
		if !entry.IsDir() {
			continue
		}
		if _, err := os.Stat(filepath.Join(folder, SpecFile)); err == nil {
			continue
		}
		protos, err := protoFiles(folder)
		if err != nil {
			return nil, fmt.Errorf("looking for protos: %w", err)
		}
		if len(protos) > 0 {
			name := path.Join(Dir, entry.Name())
			problems = append(problems, Problem{name, fmt.Sprintf("has %s, but is no service without %s; write one, which is empty for a program in Go: touch %s/%[2]s", protos[0], SpecFile, name)})
		}
	}
	return problems, nil
}

// Read returns the services in the repository at root, in the order of their names.
// Values missing from service.yaml and from overrides, the stack's key `services`,
// default to those in defaults. The problems list all wrong values. An error means that
// a file cannot be read.
func Read(root string, overrides map[string]any, defaults Spec) ([]Service, []Problem, error) {
	names, err := Names(root)
	if err != nil {
		return nil, nil, err
	}
	var services []Service
	var problems []Problem
	var errs []error
	for _, name := range names {
		if err := CheckName(name); err != nil {
			problems = append(problems, Problem{path.Join(Dir, name), "cannot be a service: " + err.Error()})
			continue
		}
		s, found, err := read(root, name, overrides[name], defaults)
		services, problems, errs = append(services, s), append(problems, found...), append(errs, err)
	}
	for _, name := range slices.Sorted(maps.Keys(overrides)) {
		if !slices.Contains(names, name) {
			problems = append(problems, Problem{stackKey + "." + name, "is for no service; " + oneOf(names)})
		}
	}
	undeclared, err := Undeclared(root)
	problems = append(append(problems, undeclared...), checkTogether(services, names)...)
	errs = append(errs, err)
	return services, problems, errors.Join(errs...)
}

// read reads one service.
func read(root, name string, override any, defaults Spec) (Service, []Problem, error) {
	s := Service{Name: name, Folder: path.Join(Dir, name), Spec: defaults}
	content, err := os.ReadFile(filepath.Join(root, Dir, name, SpecFile))
	if err != nil {
		return s, nil, fmt.Errorf("reading what service %s needs: %w", name, err)
	}
	problems := s.fill(content, override)
	problems = append(problems, s.check(filepath.Join(root, Dir, name))...)
	s.Protos, err = files(filepath.Join(root, Dir, name))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		problems = append(problems, Problem{path.Join(s.Folder, DescriptorFile), "is missing; write it with: make generate"})
		err = nil
	case err == nil:
		problems = append(problems, s.checkServes()...)
		s.Protos = shown(s.Protos, s.Serves)
	}
	return s, problems, err
}
