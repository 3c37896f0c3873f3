package main

import (
	"maps"
	"path/filepath"
	"slices"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/infra/admission"
	"example.com/grpc-edge/infra/attestation"
	"example.com/grpc-edge/infra/config"
	"example.com/grpc-edge/infra/directory"
	"example.com/grpc-edge/infra/image"
)

// lifecycleName is the image of the program that begins and ends the service of Envoy.
const lifecycleName = "lifecycle"

// sources are the programs of the repository that the stack runs.
func sources(root string, c *config.Config, entries []entry) []image.Source {
	var list []image.Source
	for _, e := range entries {
		list = append(list, source(root, c, e.Name(), e.Folder))
	}
	if c.Edge.Reflection {
		list = append(list, source(root, c, directory.Name, "services/directory"))
	}
	return append(list, source(root, c, lifecycleName, "envoy/lifecycle"))
}

func source(root string, c *config.Config, name, folder string) image.Source {
	return image.Source{Dir: filepath.Join(root, filepath.FromSlash(folder)), Name: name, Architecture: c.Cluster.Architecture}
}

// push puts every image into the repository, and says which images may run: with a key to
// sign with, those that are attested, the stable ones of canaries among them.
func (s *stack) push(ctx *pulumi.Context, ready pulumi.ResourceOption) (err error) {
	id := ctx.Project() + "-" + ctx.Stack()
	if key := s.config.SigningKey; key != (config.SigningKey{}) {
		s.signer, err = attestation.New(ctx, "attestation", &attestation.Args{Project: s.config.Project, NoteName: id, Key: key, APIs: s.apis}, ready)
		if err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.built)) {
		if err := s.image(ctx, name); err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.config.Edge.Canaries)) {
		if err := s.stable(ctx, name); err != nil {
			return err
		}
	}
	if !s.config.BinaryAuthorization {
		return nil
	}
	_, err = admission.New(ctx, "admission", &admission.Args{
		Exempt: s.exempt(), Signer: s.signer, Project: s.config.Project, AttestorName: id,
	}, ready)
	return err
}

// exempt are the images that run without being attested.
func (s *stack) exempt() []string {
	if s.signer != nil {
		return []string{s.envoyImage()}
	}
	return []string{s.registry.Images + "/**", s.registry.DockerHub + "/**"}
}

// envoyImage is Envoy as Docker Hub has it, through the repository that mirrors it.
func (s *stack) envoyImage() string {
	return s.registry.DockerHub + "/envoyproxy/envoy@" + s.config.EnvoyDigest
}

// image is in the stack's repository.
func (s *stack) image(ctx *pulumi.Context, name string) (err error) {
	s.images[name], err = image.New(ctx, name, &image.Args{
		Built: s.built[name], Repository: s.registry.Images,
		Ready: s.registry.Ready, Readers: s.registry.Readers,
	})
	if err != nil {
		return err
	}
	s.references[name], err = s.attested(ctx, name, s.images[name].Digest, s.images[name].Reference)
	return err
}

// stable is the image of the first version beside a canary, which an earlier deployment
// has pushed, and attested if it had this key: to name it is to vouch for it.
func (s *stack) stable(ctx *pulumi.Context, name string) (err error) {
	digest := s.config.Edge.Canaries[name].Stable
	pushed := pulumi.String(s.registry.Images + "/" + name + "@" + digest).ToStringOutput()
	s.references[stableOf(name)], err = s.attested(ctx, name, digest, pushed)
	return err
}

// stableOf is by what name the reference of a stable image is found.
func stableOf(name string) string { return name + "-stable" }

// attested is the reference of an image that pods may have.
func (s *stack) attested(ctx *pulumi.Context, name, digest string, pushed pulumi.StringOutput) (pulumi.StringOutput, error) {
	if s.signer == nil {
		return pushed, nil
	}
	return s.signer.Attest(ctx, s.registry.Images+"/"+name+"@"+digest, pushed)
}
