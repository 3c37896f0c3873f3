package config

import (
	"fmt"
	"regexp"
)

// Delivery describes how CI runs Pulumi on the stack.
type Delivery struct {
	// Repository is OWNER/NAME of the GitHub repository whose workflows deliver the stack;
	// empty for none.
	Repository string
	// RepositoryID is GitHub's number of the repository. If it is set, tokens are checked
	// against it instead of the name; or empty.
	RepositoryID string
	// Branch is the branch that is deployed.
	Branch string
	// ProjectNumber is the number of the Google Cloud project; empty without Repository.
	ProjectNumber string
	// ReviewStacks adds an account that creates and destroys stacks of pull requests.
	ReviewStacks bool
	// CloudBuild is the resource name of the repository whose events start builds; empty for none.
	CloudBuild CloudBuildRepository
	// TokenSecret is the ID of the secret that holds the token with which builds write to
	// GitHub; empty for none.
	TokenSecret string
	// PromotedFrom is the stack that must run the images of a commit before builds
	// deploy it to this one; empty for none.
	PromotedFrom string
}

// CloudBuildRepository is a repository of a connection (Cloud Build, "Repositories overview", 2nd gen).
type CloudBuildRepository struct {
	// Name is projects/P/locations/R/connections/C/repositories/N. Location is the R in it.
	Name, Location string
}

// Enabled reports whether CI delivers the stack.
func (d Delivery) Enabled() bool { return d.Repository != "" || d.CloudBuild.Name != "" }

const (
	repositoryKey   = "grpc-edge:githubRepository"
	repositoryIDKey = "grpc-edge:githubRepositoryId"
	branchKey       = "grpc-edge:githubBranch"
	numberKey       = "grpc-edge:projectNumber"
	reviewKey       = "grpc-edge:reviewStacks"
	cloudBuildKey   = "grpc-edge:cloudBuildRepository"
	tokenKey        = "grpc-edge:cloudBuildTokenSecret"
	promotedKey     = "grpc-edge:promotedFrom"
)

var (
	// GitHub, "Username policy" and the rules of its form for a new repository.
	githubRepository = regexp.MustCompile(`^([A-Za-z0-9](-?[A-Za-z0-9]){0,38}/[A-Za-z0-9._-]{1,100})?$`)
	// git allows more (git-check-ref-format); no one needs it here.
	branchName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9._/-]{0,98}[A-Za-z0-9])?$`)
	// Secret Manager, "Create a secret".
	secretID   = regexp.MustCompile(`^[A-Za-z0-9_-]{0,255}$`)
	promoted   = regexp.MustCompile(`^([a-z0-9-]{1,20})?$`)
	numeric    = regexp.MustCompile(`^([1-9][0-9]{0,19})?$`)
	cloudBuild = regexp.MustCompile(`^projects/([a-z][a-z0-9-]+)/locations/([a-z]+-[a-z]+[0-9]{1,2})/connections/[a-z]([a-z0-9-]{0,61}[a-z0-9])?/repositories/[A-Za-z0-9_.-]{1,100}$`)
)

// longestSubject is the longest google.subject in bytes (IAM, "Workload Identity
// Federation", attribute mappings).
const longestSubject = 127

func (r *reader) delivery(project string, protected bool) Delivery {
	d := Delivery{
		Repository:    r.match(repositoryKey, githubRepository, "OWNER/NAME, as GitHub spells it, or empty"),
		RepositoryID:  r.match(repositoryIDKey, numeric, "the number of the repository, which `gh api repos/OWNER/NAME --jq .id` prints, or empty"),
		Branch:        r.match(branchKey, branchName, "the name of a branch of at most 100 letters, digits and ._/-, such as main"),
		ProjectNumber: r.match(numberKey, numeric, "the number of the project, which `gcloud projects describe PROJECT --format='value(projectNumber)'` prints, or empty"),
		ReviewStacks:  r.boolean(reviewKey),
		CloudBuild:    r.cloudBuild(project),
		TokenSecret:   r.match(tokenKey, secretID, "the ID of a secret in the stack's project, of at most 255 letters, digits, - and _, or empty"),
		PromotedFrom:  r.match(promotedKey, promoted, "the name of a stack that Cloud Build deploys, such as dev, or empty"),
	}
	r.checkCloudBuild(d, protected)
	if d.Repository != "" {
		r.checkRepository(d)
		return d
	}
	if d.RepositoryID != "" {
		r.report(repositoryIDKey, "is %q, but there is no %s; set that too", d.RepositoryID, repositoryKey)
	}
	if d.ReviewStacks {
		r.report(reviewKey, "is true, but there is no %s, whose pull requests get stacks; set that, or this to false", repositoryKey)
	}
	return d
}

func (r *reader) checkRepository(d Delivery) {
	if d.ProjectNumber == "" {
		r.report(numberKey, "is empty, but there is %s, whose workflows name their identity provider by it; "+
			"run `make bootstrap`, or set it to what `gcloud projects describe PROJECT --format='value(projectNumber)'` prints", repositoryKey)
	}
	subject := "repo:" + d.Repository + ":ref:refs/heads/" + d.Branch
	if len(subject) > longestSubject {
		r.report(repositoryKey, "is %q; with %s it makes a subject of %d bytes, %s, and Google takes %d: use a shorter branch",
			d.Repository, branchKey, len(subject), subject, longestSubject)
	}
}

// checkCloudBuild reports settings that would have no effect, and a promotion without
// approval.
func (r *reader) checkCloudBuild(d Delivery, protected bool) {
	if _, wrong := r.problems[cloudBuildKey]; d.CloudBuild.Name == "" && !wrong {
		for key, value := range map[string]string{tokenKey: d.TokenSecret, promotedKey: d.PromotedFrom} {
			if value != "" {
				r.report(key, "is %q, but there is no %s, whose builds it is for; set that too", value, cloudBuildKey)
			}
		}
	} else if d.PromotedFrom != "" && !protected {
		r.report(promotedKey, "is %q, but without grpc-edge:deletionProtection every commit is deployed at once; set that to true, or this to empty", d.PromotedFrom)
	}
}

func (r *reader) cloudBuild(project string) CloudBuildRepository {
	value, ok := r.text(cloudBuildKey)
	if !ok || value == "" {
		return CloudBuildRepository{}
	}
	parts := cloudBuild.FindStringSubmatch(value)
	_, lost := r.problems["gcp:project"]
	if parts == nil || parts[1] != project && !lost {
		r.refuse(cloudBuildKey, value, fmt.Sprintf("projects/%s/locations/REGION/connections/CONNECTION/repositories/NAME, in the project of the stack, or empty", project))
		return CloudBuildRepository{}
	}
	return CloudBuildRepository{Name: value, Location: parts[2]}
}

// longestDelivered is the longest name in characters of a stack that CI delivers. With
// "destroyer-" before it, the name is the ID of a service account, of at most 30 characters
// (IAM, "Create service accounts"). The ID of an identity pool may be longer, 32 with
// "grpc-edge-".
const longestDelivered = 20

// checkStackName checks the name of the stack.
func (r *reader) checkStackName(name string, d Delivery) {
	const key = "the name of the stack"
	if !stackName.MatchString(name) {
		r.report(key, "must be at most 40 lower case letters, digits and hyphens, "+
			"as it is part of the repositories' names; rename it with: pulumi stack rename NAME")
	}
	if d.Enabled() && len(name) > longestDelivered {
		r.report(key, "must be at most %d characters where %s or %s is set, as it is part of the names of service accounts; "+
			"rename it with: pulumi stack rename NAME", longestDelivered, repositoryKey, cloudBuildKey)
	}
	if d.PromotedFrom == name {
		r.report(promotedKey, "is %q, which is this stack; it must be another, or empty", name)
	}
}
