package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/descriptorpb"

	"example.com/grpc-edge/bench/stack/stackpage"
	"example.com/grpc-edge/internal/stackfile"
)

// previewsOfScale is the number of measurements of each stack's preview.
const previewsOfScale = 3

// scale creates a stack with n services, measures it, calls also, and destroys the stack.
func (c workCopy) scale(ctx context.Context, n int, also func() error) (stackpage.Scale, error) {
	s := stackpage.Scale{Services: n}
	if err := c.deployMore(n); err != nil {
		return s, err
	}
	var err error
	if s.Up, err = c.time(ctx, "make", "up"); err != nil {
		return s, err
	}
	if err := errors.Join(c.previewsOf(ctx, &s), c.state(&s), also()); err != nil {
		return s, err
	}
	s.Down, err = c.time(ctx, "make", "down")
	return s, err
}

func (c workCopy) previewsOf(ctx context.Context, s *stackpage.Scale) error {
	stop := peaks(ctx,
		func(command string) bool {
			return strings.HasPrefix(command, filepath.Join(c.dir, ".cache/pulumi/languagehost")+"/")
		},
		func(command string) bool {
			return strings.HasPrefix(command, filepath.Join(c.dir, ".cache/bin/pulumi")+" ")
		},
	)
	for range previewsOfScale {
		took, err := c.preview(ctx, "--stack", "sandbox")
		if err != nil {
			return err
		}
		s.Previews = append(s.Previews, took)
	}
	highest := stop()
	s.Program, s.Engine = highest[0], highest[1]
	if err := os.RemoveAll(filepath.Join(c.dir, ".cache", "built")); err != nil {
		return err
	}
	var err error
	s.Uncached, err = c.preview(ctx, "--stack", "sandbox")
	return err
}

// state reads the size and the number of resources of Pulumi's state file.
func (c workCopy) state(s *stackpage.Scale) error {
	text, err := os.ReadFile(filepath.Join(c.dir, ".sandbox/pulumi/.pulumi/stacks/grpc-edge/sandbox.json"))
	if err != nil {
		return err
	}
	var kept struct {
		Checkpoint struct {
			Latest struct{ Resources []struct{} }
		}
	}
	if err := json.Unmarshal(text, &kept); err != nil {
		return fmt.Errorf("reading the stack's state: %w", err)
	}
	s.State, s.Resources = int64(len(text)), len(kept.Checkpoint.Latest.Resources)
	return nil
}

// podsOfNode is the number of services' pods that fit on a node of the sandbox. A node has at
// least 2 cores and runs other pods too. Each pod requests a twentieth of a core.
const podsOfNode = 25

// deployMore changes the copy so that it deploys n services: the repository's own, and copies
// of echo under other names. Each copy is compiled, packed and deployed separately. Each
// service has one pod, and there are enough nodes for all.
func (c workCopy) deployMore(n int) error {
	if n == own {
		return nil
	}
	for i := range n - own {
		if err := c.copyEcho(fmt.Sprintf("s%d", i)); err != nil {
			return err
		}
	}
	return c.configure(map[string]string{"serviceReplicas": "1", "nodeCount": strconv.Itoa(1 + n/podsOfNode)})
}

// configure sets keys of the sandbox's stack in the copy.
func (c workCopy) configure(values map[string]string) error {
	file, err := stackfile.Read(c.dir, "sandbox")
	if err != nil {
		return err
	}
	edited, err := file.Set(values)
	if err != nil {
		return err
	}
	return file.Write(edited)
}

// copyEcho creates a copy of echo. Its name is also its proto package.
func (c workCopy) copyEcho(name string) error {
	echo, dir := filepath.Join(c.dir, "services", "echo"), filepath.Join(c.dir, "services", name)
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	if err := os.CopyFS(dir, os.DirFS(echo)); err != nil {
		return err
	}
	stub := filepath.Join(dir, "api", "echo_grpc.pb.go")
	text, err := os.ReadFile(stub)
	if err != nil {
		return err
	}
	if err := os.WriteFile(stub, bytes.ReplaceAll(text, []byte("api.Echo"), []byte(name+".Echo")), 0o600); err != nil {
		return err
	}
	if err := os.Rename(filepath.Join(dir, "api", "echo.proto"), filepath.Join(dir, "api", name+".proto")); err != nil {
		return err
	}
	return describe(filepath.Join(dir, "descriptor.binpb"), name)
}

// describe changes the descriptors of echo in a file to those of a copy.
func describe(file, name string) error {
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	set := &descriptorpb.FileDescriptorSet{}
	if err := proto.Unmarshal(content, set); err != nil {
		return fmt.Errorf("reading %s: %w", file, err)
	}
	for _, described := range set.GetFile() {
		if described.GetName() != "api/echo.proto" {
			continue
		}
		described.Name, described.Package = proto.String("api/"+name+".proto"), proto.String(name)
		for _, method := range described.GetService()[0].GetMethod() { // the types and the path are those of echo
			method.Options = nil
			method.InputType = proto.String("." + name + ".EchoRequest")
			method.OutputType = proto.String("." + name + ".EchoResponse")
		}
	}
	if content, err = proto.Marshal(set); err != nil {
		return err
	}
	return os.WriteFile(file, content, 0o600)
}

// alone measures what the page reports for the repository's own stack only.
func (c workCopy) alone(ctx context.Context, r *stackpage.Results) (err error) {
	if r.Again, err = c.time(ctx, "make", "up"); err != nil {
		return err
	}
	if err := c.sizes(r); err != nil {
		return err
	}
	return c.previews(ctx, r)
}
