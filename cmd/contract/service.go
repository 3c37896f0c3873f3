package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"example.com/grpc-edge/cmd/contract/run"
	"example.com/grpc-edge/services/catalog"
)

// trial describes what is run, and how.
type trial struct {
	image   string
	options run.Options
	// start is the time that the program may take to start.
	start time.Duration
	// missing lists the secrets of the service, whose values only stacks have.
	missing []string
}

// defaults holds the settings that every service has from its stack, as far as they matter here.
var defaults = catalog.Spec{CPU: "50m", Memory: "64Mi", Replicas: 1, StartupSeconds: 120}

// ofService returns the trial of a service whose service.yaml names an image.
func ofService(root, name string) (t trial, err error) {
	services, problems, err := catalog.Read(root, nil, defaults)
	if err != nil {
		return t, err
	}
	i := slices.IndexFunc(services, func(s catalog.Service) bool { return s.Name == name })
	if i < 0 {
		return t, fmt.Errorf("there is no service %q; it must be a folder of %s", name, catalog.Dir)
	}
	s := services[i]
	for _, p := range problems {
		if strings.HasPrefix(p.Key, s.Folder+"/") {
			return t, fmt.Errorf("%s %s", p.Key, p.Message)
		}
	}
	if s.Built() {
		return t, fmt.Errorf("service %s is built here and follows the contract: only a service with an image can be checked", name)
	}
	t.image, t.start = s.Image, time.Duration(s.StartupSeconds)*time.Second
	t.options = run.Options{Command: s.Command, Args: s.Args, Files: map[string][]byte{}, Scratch: map[string]int64{}}
	for _, variable := range slices.Sorted(maps.Keys(s.Environment)) {
		t.options.Environment = append(t.options.Environment, variable+"="+s.Environment[variable])
	}
	for _, callee := range s.Calls { // which nothing answers here
		t.options.Environment = append(t.options.Environment, catalog.TargetVariable(callee)+"=dns:///"+callee+".invalid:8080")
	}
	for path, file := range s.Files {
		if t.options.Files[path], err = os.ReadFile(filepath.Join(root, s.Folder, file)); err != nil {
			return t, fmt.Errorf("reading a file of service %s: %w", name, err)
		}
	}
	for path, size := range s.Scratch {
		if t.options.Scratch[path], err = catalog.Bytes(size); err != nil {
			return t, err
		}
	}
	t.missing = slices.Sorted(maps.Keys(s.Secrets))
	return t, nil
}
