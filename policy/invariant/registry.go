package invariant

import (
	"fmt"
	"regexp"
)

const repositoryType = "gcp:artifactregistry/repository:Repository"

// registryRules returns the rules about images and their repositories.
func registryRules(s Settings) []Rule {
	const binary = `Artifact Registry, "Container image versions"; Cloud Architecture Center, "Using container image digests in Kubernetes manifests"`
	return []Rule{
		{
			Name: "image-digest", Source: binary,
			What: "Every container's image is named by its digest.",
			Why:  "A tag can be moved, so the image that runs may not be the one that was reviewed.",
			resource: pods(func(pod value) []finding {
				return each(containers(pod), func(c value) []finding {
					return c.at("image").mustMatch(byDigest, "named by digest: IMAGE@sha256:DIGEST")
				})
			}),
		},
		{
			Name:   "image-registry",
			What:   "Every image comes from a repository of the stack, which nodes may read and only the deployer may write.",
			Why:    "Images that others publish may change or disappear, and nobody has reviewed them.",
			Source: `Artifact Registry, "Repository overview"`,
			stack:  func(resources []Resource) []finding { return fromRegistry(s, resources) },
		},
		{
			Name:   "image-tags-fixed",
			What:   "The tags of a repository are immutable.",
			Why:    "Nothing here pulls by tag, but people do, and should get the image that they expect.",
			Source: `Artifact Registry, "Container image versions", tag mutability`,
			resource: on(func(r value) []finding {
				if r.at("mode").is("REMOTE_REPOSITORY") {
					return nil // its tags are those of its upstream
				}
				return r.at("dockerConfig.immutableTags").must(true)
			}, repositoryType),
		},
	}
}

var byDigest = regexp.MustCompile(`^[^@]+@sha256:[0-9a-f]{64}$`)

// fromRegistry reports images of pods that are not in a repository of the stack.
func fromRegistry(s Settings, resources []Resource) []finding {
	var prefixes []*regexp.Regexp
	for _, r := range ofType(resources, repositoryType) {
		repository := all(r)
		project := anything(repository.at("project").text())
		if s.Project != "" {
			project = regexp.QuoteMeta(s.Project)
		}
		prefixes = append(prefixes, regexp.MustCompile(fmt.Sprintf("^%s-docker.pkg.dev/%s/%s/",
			anything(repository.at("location").text()), project, anything(repository.at("repositoryId").text()))))
	}
	return eachPod(resources, func(pod value) []finding {
		return each(containers(pod), func(c value) []finding {
			image := c.at("image")
			for _, prefix := range prefixes {
				if prefix.MatchString(image.text()) {
					return nil
				}
			}
			if image.IsComputed() {
				return nil
			}
			return image.wrong("must be in a repository of the stack: LOCATION-docker.pkg.dev/PROJECT/REPOSITORY/IMAGE")
		})
	})
}

// anything returns a pattern that matches a name, or any name if it is empty.
func anything(name string) string {
	if name == "" {
		return "[^/]+"
	}
	return regexp.QuoteMeta(name)
}

func ofType(resources []Resource, kind string) []Resource {
	var list []Resource
	for _, r := range resources {
		if r.Type == kind {
			list = append(list, r)
		}
	}
	return list
}
