package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"
	"gopkg.in/yaml.v3"

	"example.com/grpc-edge/services/catalog"
)

// service describes a folder with protos.
type service struct {
	root string
	// folder is services/NAME, with slashes, and importRoot the folder that the paths of
	// its protos begin at: the same, or one below it that buf.yaml names.
	folder, importRoot string
	// config is buf's configuration for this service alone.
	config map[string]any
	// private services are not served at the edge, nor described in the OpenAPI document.
	private bool
	// serves lists the gRPC services that it serves; empty for all in its protos.
	serves []string
	// goModule is the path of the Go module in the folder; empty for none.
	goModule string
}

// readServices lists the services with their entries in buf.yaml, if they have one.
func readServices(root string) ([]service, error) {
	names, err := catalog.Names(root)
	if err != nil {
		return nil, err
	}
	if err := allDeclared(root); err != nil {
		return nil, err
	}
	workspace := map[string]any{}
	if err := readYAML(filepath.Join(root, "buf.yaml"), &workspace); err != nil {
		return nil, err
	}
	var services []service
	for _, name := range names {
		s := service{root: root, folder: path.Join(catalog.Dir, name)}
		declared := struct {
			Private bool
			Serves  []string
		}{}
		if err := readYAML(filepath.Join(root, s.folder, catalog.SpecFile), &declared); err != nil {
			return nil, err
		}
		s.private, s.serves = declared.Private, declared.Serves
		if s.goModule, err = modulePath(filepath.Join(root, s.folder, "go.mod")); err != nil {
			return nil, err
		}
		s.configure(workspace)
		services = append(services, s)
	}
	return services, nil
}

// allDeclared returns an error if a folder with protos is no service.
func allDeclared(root string) error {
	problems, err := catalog.Undeclared(root)
	errs := []error{err}
	for _, problem := range problems {
		errs = append(errs, fmt.Errorf("%s %s", problem.Key, problem.Message))
	}
	return errors.Join(errs...)
}

func readYAML(file string, into any) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	if err := yaml.Unmarshal(content, into); err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	return nil
}

// modulePath returns the path in a go.mod; empty if there is none.
func modulePath(file string) (string, error) {
	content, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(string(content)) {
		if rest, ok := strings.CutPrefix(line, "module "); ok {
			return strings.Trim(strings.TrimSpace(rest), `"`), nil
		}
	}
	return "", fmt.Errorf("%s names no module", file)
}

// configure derives the service's configuration from the configuration of the workspace. It keeps
// the rules, but only the service's own module and the imports.
func (s *service) configure(workspace map[string]any) {
	entry := map[string]any{"path": s.folder}
	modules, _ := workspace["modules"].([]any)
	for _, m := range modules {
		module, _ := m.(map[string]any)
		at, _ := module["path"].(string)
		if at == s.folder || strings.HasPrefix(at, s.folder+"/") {
			entry = module
		}
	}
	s.importRoot = entry["path"].(string)
	s.config = map[string]any{"version": "v2", "modules": []any{entry, map[string]any{"path": importsDir}}}
	for _, section := range []string{"lint", "breaking"} {
		if workspace[section] != nil {
			s.config[section] = workspace[section]
		}
	}
}

// ignored reports whether buf.yaml has the linter ignore the whole folder.
func (s *service) ignored() bool {
	entry := s.config["modules"].([]any)[0].(map[string]any)
	rules, _ := entry["lint"].(map[string]any)
	paths, _ := rules["ignore"].([]any)
	return slices.Contains(paths, any(s.importRoot))
}

func (s *service) descriptorFile() string { return path.Join(s.folder, catalog.DescriptorFile) }

// buf runs buf with the service's configuration, and returns its output.
func (s *service) buf(ctx context.Context, command string, args ...string) ([]byte, error) {
	config, err := json.Marshal(s.config)
	if err != nil {
		return nil, err
	}
	run := exec.CommandContext(ctx, filepath.Join(s.root, ".cache/bin/buf"), append([]string{command, "--config", string(config)}, args...)...)
	var stdout, stderr bytes.Buffer
	run.Dir, run.Stdout, run.Stderr = s.root, &stdout, &stderr
	if err := run.Run(); err != nil {
		const missing = "imported file does not exist"
		text := strings.ReplaceAll(stderr.String(), missing, missing+"; docs/protos.md says what may be imported, and how to add to it")
		return nil, fmt.Errorf("buf %s of %s: %w\n%s%s", command, s.folder, err, stdout.Bytes(), text)
	}
	return stdout.Bytes(), nil
}

// compile returns the descriptors of the service's protos and all that they import,
// with the comments.
func (s *service) compile(ctx context.Context) (*descriptorpb.FileDescriptorSet, error) {
	if err := s.checkCopies(); err != nil {
		return nil, err
	}
	content, err := s.buf(ctx, "build", s.importRoot, "--as-file-descriptor-set", "-o", "-#format=binpb")
	if err != nil {
		return nil, err
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(content, set); err != nil {
		return nil, fmt.Errorf("reading the descriptors of %s: %w", s.folder, err)
	}
	return set, nil
}

// checkCopies returns an error for each proto that is a copy of an importable one: a
// compiler finds everything in it declared twice, and does not say why.
func (s *service) checkCopies() error {
	var errs []error
	err := fs.WalkDir(os.DirFS(filepath.Join(s.root, s.importRoot)), ".", func(file string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || path.Ext(file) != ".proto" {
			return err
		}
		if original := provided(file); original != "" {
			errs = append(errs, fmt.Errorf("%s/%s is a copy of %s, which is provided: delete it, and import %[3]s", s.importRoot, file, original))
		}
		return nil
	})
	return errors.Join(append(errs, err)...)
}

// writeDescriptor writes the descriptors without the comments: the same bytes each time.
func writeDescriptor(file string, set *descriptorpb.FileDescriptorSet) error {
	bare := proto.CloneOf(set)
	for _, file := range bare.GetFile() {
		file.SourceCodeInfo = nil
	}
	content, err := proto.MarshalOptions{Deterministic: true}.Marshal(bare)
	if err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	return writeFile(file, content)
}
