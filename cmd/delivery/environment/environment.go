// Package environment reads from the repository which stacks are delivered, where
// each runs, and which identities its jobs use. It makes no network calls: a workflow
// needs the answers before it has logged in.
package environment

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"example.com/grpc-edge/internal/deliverynames"
	"example.com/grpc-edge/internal/stackfile"
)

// Environment describes a stack by its file Pulumi.<stack>.yaml.
type Environment struct {
	Stack string
	// SecretsProvider encrypts the secrets in the state; "" is a passphrase.
	SecretsProvider string
	// Config holds the keys that the file sets, with their prefix, and values.
	Config map[string]any
}

// Read reads the environment of a stack from the repository's folder.
func Read(root, stack string) (Environment, error) {
	e := Environment{Stack: stack}
	file, err := stackfile.Read(root, stack)
	if err != nil {
		return e, err
	}
	e.Config, e.SecretsProvider = file.Config(), file.Setting("secretsprovider")
	return e, nil
}

// Value returns the value of a key of the stack's config, or "" if it is not set.
func (e Environment) Value(key string) string {
	value, set := e.Config[key]
	if !set || value == nil {
		return ""
	}
	return fmt.Sprint(value)
}

func (e Environment) own(key string) string { return e.Value(stackfile.Program + ":" + key) }

// Delivered reports whether CI jobs may log in to the stack's project.
func (e Environment) Delivered() bool {
	return e.own("githubRepository") != "" || e.own("cloudBuildRepository") != ""
}

// Protected reports whether destroying the stack is refused.
func (e Environment) Protected() bool { return e.own("deletionProtection") != "false" }

// Backend returns the URL where `make bootstrap` keeps the state of the project's stacks.
func (e Environment) Backend() string { return "gs://" + deliverynames.Bucket(e.Value("gcp:project")) }

// roles lists the roles that a job can log in as. infra/delivery creates their service
// accounts.
var roles = []string{"previewer", "deployer", "destroyer", "reviewer"}

// Identity returns the inputs of google-github-actions/auth: the full name of the identity
// provider, and the e-mail address of the role's service account.
func (e Environment) Identity(role string) (provider, account string, err error) {
	if !slices.Contains(roles, role) {
		return "", "", fmt.Errorf("%q is no role of a job, which are %s", role, strings.Join(roles, ", "))
	}
	project, number := e.Value("gcp:project"), e.own("projectNumber")
	var missing []string
	for key, value := range map[string]string{"gcp:project": project, stackfile.Program + ":projectNumber": number, stackfile.Program + ":githubRepository": e.own("githubRepository")} {
		if value == "" {
			missing = append(missing, key)
		}
	}
	if len(missing) > 0 {
		slices.Sort(missing)
		return "", "", fmt.Errorf("%s sets no %s: `make bootstrap` writes them", stackfile.Name(e.Stack), strings.Join(missing, ", "))
	}
	provider = fmt.Sprintf("projects/%s/locations/global/workloadIdentityPools/%s/providers/github", number, deliverynames.Pool(e.Stack))
	return provider, fmt.Sprintf("%s@%s.iam.gserviceaccount.com", deliverynames.Account(role, e.Stack), project), nil
}

// Stacks returns the environment of each stack that has a file in the repository's folder.
func Stacks(root string) ([]Environment, error) {
	names, err := stackfile.Stacks(root)
	if err != nil {
		return nil, err
	}
	stacks := make([]Environment, len(names))
	for i, name := range names {
		if stacks[i], err = Read(root, name); err != nil {
			return nil, err
		}
	}
	return stacks, nil
}

// Delivered lists the names of the stacks that CI delivers.
func Delivered(root string) ([]string, error) {
	all, err := Stacks(root)
	delivered := []string{}
	for _, e := range all {
		if e.Delivered() {
			delivered = append(delivered, e.Stack)
		}
	}
	return delivered, err
}

// noStack matches files that change no stack. Everything else may: the program has
// cmd/contract and internal in it.
var noStack = regexp.MustCompile(`^(docs|test|bench|measure|sandbox|tools|\.github|\.ci|\.devcontainer|cmd/(bootstrap|configuration|delivery|licences|outdated|protos|service))/|^[^/]*\.md$|_test\.go$|/testdata/|^(Makefile|LICENSE|\.gitignore|\.editorconfig|\.golangci\.yaml|cloudbuild\.yaml|buf\..*|.*\.mk)$`)

// Touched returns the stacks that a change of files can affect. A stack's own file affects
// that stack. Anything in the program, its policies or its images affects all.
func Touched(stacks, files []string) []string {
	return slices.DeleteFunc(slices.Clone(stacks), func(stack string) bool {
		return !slices.ContainsFunc(files, func(name string) bool {
			if own, ok := stackfile.Stack(name); ok {
				return own == stack
			}
			return !noStack.MatchString(name)
		})
	})
}
