// Package registry creates the repositories of container images: one for images built here,
// and one that mirrors Docker Hub.
package registry

import (
	"fmt"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/artifactregistry"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/infra/config"
)

// Registry is a pair of Artifact Registry repositories.
type Registry struct {
	pulumi.ResourceState

	// Images is the path of the repository for built images, such as
	// us-central1-docker.pkg.dev/my-project/grpc-edge-dev. It is text made from
	// the arguments, so that a preview knows it.
	Images string
	// DockerHub is the path of the repository that mirrors Docker Hub.
	DockerHub string
	// Ready is known once both repositories exist and may be read.
	Ready pulumi.BoolOutput
	// Readers lists the grants that let nodes pull. Nodes are created after them and
	// deleted before them.
	Readers []pulumi.Resource
}

// Args describe the repositories and their reader.
type Args struct {
	Project, Region string
	// Name is the ID of the repository for built images. The ID of the mirror adds
	// -docker-hub.
	Name string
	// Reader is the email of the service account that may pull.
	Reader pulumi.StringInput
	// Images describes how long built images are kept.
	Images config.Images
	// Manifests is the number of manifests of an image in the repository: its own, and
	// those attached to it.
	Manifests int
	// InUse lists the digests that are never deleted, such as sha256:….
	InUse  []string
	Labels pulumi.StringMapInput
	// KMSKey encrypts both repositories; empty for Google's own keys.
	KMSKey string
	// Protect prevents the deletion of the repository of built images.
	Protect bool
}

// New creates the repositories.
func New(ctx *pulumi.Context, name string, args *Args, opts ...pulumi.ResourceOption) (*Registry, error) {
	host := fmt.Sprintf("%s-docker.pkg.dev/%s/", args.Region, args.Project)
	mirrorName := args.Name + "-docker-hub"
	r := &Registry{Images: host + args.Name, DockerHub: host + mirrorName}
	if err := ctx.RegisterComponentResource("grpc-edge:registry:Registry", name, r, opts...); err != nil {
		return nil, fmt.Errorf("registering registry %q: %w", name, err)
	}
	images, err := r.newRepository(ctx, name+"-images", imageRepository(args), args, pulumi.Protect(args.Protect))
	if err != nil {
		return nil, err
	}
	mirror, err := r.newRepository(ctx, name+"-docker-hub", mirrorRepository(args, mirrorName), args)
	if err != nil {
		return nil, err
	}
	r.Readers = []pulumi.Resource{images, mirror}
	r.Ready = pulumi.All(images.ID(), mirror.ID()).ApplyT(func([]any) bool { return true }).(pulumi.BoolOutput)
	return r, ctx.RegisterResourceOutputs(r, pulumi.Map{
		"images": pulumi.String(r.Images), "dockerHub": pulumi.String(r.DockerHub),
	})
}

func imageRepository(args *Args) *artifactregistry.RepositoryArgs {
	scanning := "DISABLED"
	if args.Images.Scanning {
		scanning = "INHERITED"
	}
	return &artifactregistry.RepositoryArgs{
		Description:  pulumi.String("Images built by grpc-edge, deployed by digest"),
		RepositoryId: pulumi.String(args.Name),
		Location:     pulumi.String(args.Region),
		Format:       pulumi.String("DOCKER"),
		// A tag that somebody sets cannot be moved to another image later.
		DockerConfig: artifactregistry.RepositoryDockerConfigArgs{ImmutableTags: pulumi.Bool(true)},
		VulnerabilityScanningConfig: artifactregistry.RepositoryVulnerabilityScanningConfigArgs{
			EnablementConfig: pulumi.String(scanning),
		},
		CleanupPolicies: cleanup(args),
	}
}

// cleanup returns policies that delete images at an age. They keep the latest, so that a
// rollback finds its image, and those in use, whatever their age. A policy that keeps wins
// over one that deletes (Artifact Registry, "Configure cleanup policies").
func cleanup(args *Args) artifactregistry.RepositoryCleanupPolicyArray {
	return artifactregistry.RepositoryCleanupPolicyArray{
		artifactregistry.RepositoryCleanupPolicyArgs{
			Id:     pulumi.String("delete-old"),
			Action: pulumi.String("DELETE"),
			Condition: artifactregistry.RepositoryCleanupPolicyConditionArgs{
				// Nothing has a tag here: images are identified by digest.
				TagState: pulumi.String("ANY"),
				// In seconds, as the API returns it: any other spelling would be a
				// permanent diff.
				OlderThan: pulumi.String(fmt.Sprintf("%ds", args.Images.RetentionDays*24*60*60)),
			},
		},
		artifactregistry.RepositoryCleanupPolicyArgs{
			Id:     pulumi.String("keep-latest"),
			Action: pulumi.String("KEEP"),
			MostRecentVersions: artifactregistry.RepositoryCleanupPolicyMostRecentVersionsArgs{
				// An attachment of an image is a version of the same package (Artifact
				// Registry API, Attachment: ociVersionName).
				KeepCount: pulumi.Int(args.Images.KeepVersions * args.Manifests),
			},
		},
		artifactregistry.RepositoryCleanupPolicyArgs{
			Id:     pulumi.String("keep-used"),
			Action: pulumi.String("KEEP"),
			Condition: artifactregistry.RepositoryCleanupPolicyConditionArgs{
				TagState: pulumi.String("ANY"),
				// The version of an image is named by its digest.
				VersionNamePrefixes: pulumi.ToStringArray(args.InUse),
			},
		},
	}
}

func mirrorRepository(args *Args, id string) *artifactregistry.RepositoryArgs {
	upstream := artifactregistry.RepositoryRemoteRepositoryConfigArgs{
		Description: pulumi.String("Docker Hub"),
		DockerRepository: artifactregistry.RepositoryRemoteRepositoryConfigDockerRepositoryArgs{
			PublicRepository: pulumi.String("DOCKER_HUB"),
		},
	}
	if hub := args.Images.DockerHub; hub.User != "" {
		// Artifact Registry, "Configure remote repository authentication to Docker Hub".
		upstream.UpstreamCredentials = artifactregistry.RepositoryRemoteRepositoryConfigUpstreamCredentialsArgs{
			UsernamePasswordCredentials: artifactregistry.RepositoryRemoteRepositoryConfigUpstreamCredentialsUsernamePasswordCredentialsArgs{
				Username: pulumi.String(hub.User), PasswordSecretVersion: pulumi.String(hub.TokenSecret),
			},
		}
	}
	return &artifactregistry.RepositoryArgs{
		Description:            pulumi.String("Docker Hub for nodes that cannot reach the internet"),
		RepositoryId:           pulumi.String(id),
		Location:               pulumi.String(args.Region),
		Format:                 pulumi.String("DOCKER"),
		Mode:                   pulumi.String("REMOTE_REPOSITORY"),
		RemoteRepositoryConfig: upstream,
	}
}

// newRepository creates a repository and lets the reader pull from it, and from no other.
// It returns the grant, which depends on the repository and is therefore known once both
// exist.
func (r *Registry) newRepository(ctx *pulumi.Context, name string, repository *artifactregistry.RepositoryArgs, args *Args, opts ...pulumi.ResourceOption) (*artifactregistry.RepositoryIamMember, error) {
	repository.Labels = args.Labels
	if args.KMSKey != "" {
		repository.KmsKeyName = pulumi.String(args.KMSKey)
	}
	// Google refuses a second repository of the same ID, and the gcp provider deletes first
	// only resources with generated names.
	opts = append(opts, pulumi.Parent(r), pulumi.DeleteBeforeReplace(true))
	created, err := artifactregistry.NewRepository(ctx, name, repository, opts...)
	if err != nil {
		return nil, fmt.Errorf("creating Artifact Registry repository %q: %w", name, err)
	}
	reader, err := artifactregistry.NewRepositoryIamMember(ctx, name+"-reader", &artifactregistry.RepositoryIamMemberArgs{
		Repository: created.Name,
		Location:   created.Location,
		Role:       pulumi.String("roles/artifactregistry.reader"),
		Member:     pulumi.Sprintf("serviceAccount:%s", args.Reader),
	}, pulumi.Parent(r))
	if err != nil {
		return nil, fmt.Errorf("letting nodes read %q: %w", name, err)
	}
	return reader, nil
}
