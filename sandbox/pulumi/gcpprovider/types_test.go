package gcpprovider

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestEachTypeIsInAStack checks that types which no stack has are refused by name: nobody would
// notice that one is wrong.
func TestEachTypeIsInAStack(t *testing.T) {
	used := map[string]bool{}
	for _, r := range goldenResources(t) {
		token, _, _ := strings.Cut(r.Resource, " ")
		used[token] = true
	}
	for _, token := range slices.Sorted(maps.Keys(resourceTypes)) {
		if !used[token] {
			t.Errorf("%s is served, and no list in infra/testdata has one", token)
		}
	}
	if _, _, err := lookUp(urn("gcp:compute/firewall:Firewall")); err == nil || !strings.Contains(err.Error(), "gcp:compute/firewall:Firewall") {
		t.Errorf("a firewall rule: %v, want a refusal that names it", err)
	}
}

// sourceFile matches the file of a resource, or of a policy, in the Terraform provider.
var sourceFile = regexp.MustCompile(`^[a-z]+/(resource|iam)_[a-z_]+\.go$`)

func TestEachTypeNamesItsSource(t *testing.T) {
	for token, rt := range resourceTypes {
		if !sourceFile.MatchString(rt.source) {
			t.Errorf("%s has the source %q, want the file of the Terraform provider that its rules are from", token, rt.source)
		}
	}
}
