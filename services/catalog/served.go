package catalog

import (
	"fmt"
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Served returns the gRPC services in the files that the field serves lists: all, if it
// lists none.
func Served(files []protoreflect.FileDescriptor, serves []string) []protoreflect.ServiceDescriptor {
	var list []protoreflect.ServiceDescriptor
	for _, file := range files {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			if len(serves) == 0 || slices.Contains(serves, string(service.FullName())) {
				list = append(list, service)
			}
		}
	}
	return list
}

// shown omits files that declare gRPC services which the service does not serve, and files that
// only those import.
func shown(files []protoreflect.FileDescriptor, serves []string) []protoreflect.FileDescriptor {
	served, others := map[string]bool{}, map[string]bool{}
	for _, file := range files {
		switch {
		case file.Services().Len() == 0:
		case len(Served([]protoreflect.FileDescriptor{file}, serves)) > 0:
			reach(file, served)
		default:
			reach(file, others)
		}
	}
	return slices.DeleteFunc(files, func(file protoreflect.FileDescriptor) bool { return others[file.Path()] && !served[file.Path()] })
}

// reach adds the paths of the file and all that it imports.
func reach(file protoreflect.FileDescriptor, paths map[string]bool) {
	if paths[file.Path()] {
		return
	}
	paths[file.Path()] = true
	for i := range file.Imports().Len() {
		reach(file.Imports().Get(i).FileDescriptor, paths)
	}
}

// checkServes returns a problem for each name in the field serves that is no gRPC service
// of the service's protos.
func (s *Service) checkServes() []Problem {
	var declared []string
	for _, service := range Served(s.Protos, nil) {
		declared = append(declared, string(service.FullName()))
	}
	var problems []Problem
	for i, name := range s.Serves {
		if !slices.Contains(declared, name) {
			problems = append(problems, Problem{s.At("serves"), fmt.Sprintf("[%d] is %q; %s", i, name, oneOf(declared))})
		}
	}
	return problems
}
