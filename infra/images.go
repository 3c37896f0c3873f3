package main

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/infra/admission"
	"example.com/grpc-edge/infra/attestation"
	"example.com/grpc-edge/infra/config"
	"example.com/grpc-edge/infra/directory"
	"example.com/grpc-edge/infra/image"
	"example.com/grpc-edge/services/catalog"
)

// lifecycleName is the name of the image of envoy/lifecycle, which starts and ends the
// service of Envoy.
const lifecycleName = "lifecycle"

// sources lists the programs of the repository that the stack runs.
func sources(root string, c *config.Config) []image.Source {
	var list []image.Source
	for _, s := range c.Services {
		if s.Built() {
			list = append(list, source(root, c, s.Name, s.Folder))
		}
	}
	if c.Edge.Directory() {
		list = append(list, source(root, c, directory.Name, "services/directory"))
	}
	return append(list, source(root, c, lifecycleName, "envoy/lifecycle"))
}

func source(root string, c *config.Config, name, folder string) image.Source {
	return image.Source{Dir: filepath.Join(root, filepath.FromSlash(folder)), Name: name, Architecture: c.Cluster.Architecture}
}

// push pushes every image, and sets the policy on which images may run. With a signing key
// only attested images may run, including the stable ones of canaries.
func (s *stack) push(ctx *pulumi.Context) (err error) {
	id := ctx.Project() + "-" + ctx.Stack()
	if key := s.config.SigningKey; key != (config.SigningKey{}) {
		s.signer, err = attestation.New(ctx, "attestation", &attestation.Args{Project: s.config.Project, NoteName: id, Key: key, Ready: s.ready}, s.ready)
		if err != nil {
			return err
		}
	}
	for _, name := range slices.Sorted(maps.Keys(s.built)) {
		if err := s.image(ctx, name); err != nil {
			return err
		}
	}
	for _, declared := range s.config.Services {
		if err := s.foreign(ctx, declared); err != nil {
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
	}, s.ready)
	return err
}

// inUse returns the digests of all images that the stack's pods may run, ordered by name,
// so that another digest shows as one change.
func (s *stack) inUse() []string {
	var digests []string
	for _, name := range slices.Sorted(maps.Keys(s.built)) {
		digests = append(digests, s.built[name].Digest)
	}
	for _, name := range slices.Sorted(maps.Keys(s.config.Edge.Canaries)) {
		digests = append(digests, s.config.Edge.Canaries[name].Stable)
	}
	for _, declared := range s.config.Services {
		if _, digest, foreign := strings.Cut(declared.Image, "@"); foreign { // which may be in this repository
			digests = append(digests, digest)
		}
	}
	return digests
}

// exempt lists the images that run without an attestation. An image that was built
// elsewhere is listed by its digest, so no other image of its repository may run.
func (s *stack) exempt() []string {
	if s.signer != nil {
		return []string{s.envoyImage()}
	}
	list := []string{s.registry.Images + "/**", s.registry.DockerHub + "/**"}
	for _, declared := range s.config.Services {
		if !declared.Built() && !strings.HasPrefix(declared.Image, s.registry.Images+"/") {
			list = append(list, declared.Image)
			if canary, ok := s.config.Edge.Canaries[declared.Name]; ok {
				list = append(list, withDigest(declared.Image, canary.Stable))
			}
		}
	}
	return list
}

// envoyImage returns the reference of Envoy's image from Docker Hub, in the repository that
// mirrors it.
func (s *stack) envoyImage() string {
	return s.registry.DockerHub + "/envoyproxy/envoy@" + s.config.EnvoyDigest
}

// image pushes one image to the stack's repository.
func (s *stack) image(ctx *pulumi.Context, name string) (err error) {
	s.images[name], err = image.New(ctx, name, &image.Args{
		Built: s.built[name], Repository: s.registry.Images,
		Ready: s.registry.Ready, Readers: s.registry.Readers,
	})
	if err != nil {
		return err
	}
	s.references[name], err = s.attested(ctx, s.registry.Images+"/"+name+"@"+s.images[name].Digest, s.images[name].Reference)
	return err
}

// foreign checks the image of a service that is built elsewhere, and attests it if there is
// a signing key: whoever configures the image vouches for it.
func (s *stack) foreign(ctx *pulumi.Context, declared catalog.Service) (err error) {
	if declared.Built() {
		return nil
	}
	checked := image.Checked(ctx, declared.Name, declared.Image, s.config.Cluster.Architecture, declared.Command)
	// Pods wait for the grants that let nodes read it.
	readable := pulumi.OutputWithDependencies(ctx.Context(), checked, s.registry.Readers...).(pulumi.StringOutput)
	s.references[declared.Name], err = s.attested(ctx, declared.Image, readable)
	return err
}

// stable attests the image of the first version beside a canary. An earlier deployment has
// pushed it, and attested it if it had this key: whoever configures the image vouches for it. That
// of a service built elsewhere is an earlier image of the same repository.
func (s *stack) stable(ctx *pulumi.Context, name string) (err error) {
	i := slices.IndexFunc(s.config.Services, func(declared catalog.Service) bool { return declared.Name == name })
	declared, digest := s.config.Services[i], s.config.Edge.Canaries[name].Stable
	reference := withDigest(s.registry.Images+"/"+name, digest)
	known := pulumi.String(reference).ToStringOutput()
	if !declared.Built() {
		reference = withDigest(declared.Image, digest)
		known = image.Checked(ctx, name, reference, s.config.Cluster.Architecture, declared.Command)
	}
	s.references[stableOf(name)], err = s.attested(ctx, reference, known)
	return err
}

// withDigest returns the reference of another image in the same repository.
func withDigest(image, digest string) string {
	repository, _, _ := strings.Cut(image, "@")
	return repository + "@" + digest
}

// stableOf returns the key of a stable image's reference in stack.references.
func stableOf(name string) string { return name + "-stable" }

// attested returns the reference of an image, known once pods may run it.
func (s *stack) attested(ctx *pulumi.Context, image string, pushed pulumi.StringOutput) (pulumi.StringOutput, error) {
	if s.signer == nil {
		return pushed, nil
	}
	return s.signer.Attest(ctx, image, pushed)
}
