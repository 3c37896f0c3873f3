package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestDeliveryValues(t *testing.T) {
	t.Parallel()
	const connected = "projects/sandbox-project/locations/us-east1/connections/github/repositories/Edge.v2"
	tests := []struct {
		changes map[string]string
		want    Delivery
	}{
		{nil, Delivery{Branch: "main"}},
		{map[string]string{repositoryKey: "My-Org/grpc.edge_1", numberKey: "123456789012"},
			Delivery{Repository: "My-Org/grpc.edge_1", ProjectNumber: "123456789012", Branch: "main"}},
		{map[string]string{repositoryKey: "o/r", repositoryIDKey: "42", branchKey: "release/1.x", numberKey: "1", reviewKey: "true"},
			Delivery{Repository: "o/r", RepositoryID: "42", Branch: "release/1.x", ProjectNumber: "1", ReviewStacks: true}},
		{map[string]string{cloudBuildKey: connected}, Delivery{Branch: "main", CloudBuild: CloudBuildRepository{connected, "us-east1"}}},
		{map[string]string{cloudBuildKey: connected, tokenKey: "github-token", promotedKey: "dev", "grpc-edge:deletionProtection": "true"},
			Delivery{Branch: "main", CloudBuild: CloudBuildRepository{connected, "us-east1"}, TokenSecret: "github-token", PromotedFrom: "dev"}},
	}
	for _, test := range tests {
		c, err := load(t, sandbox(t, test.changes))
		if err != nil {
			t.Errorf("%v: %v", test.changes, err)
			continue
		}
		if diff := cmp.Diff(test.want, c.Delivery); diff != "" {
			t.Errorf("%v (-want +got):\n%s", test.changes, diff)
		}
		if enabled := c.Delivery.Repository != "" || c.Delivery.CloudBuild.Name != ""; c.Delivery.Enabled() != enabled {
			t.Errorf("%v: Enabled = %t", test.changes, c.Delivery.Enabled())
		}
	}
}

func TestWrongDelivery(t *testing.T) {
	t.Parallel()
	const form = "OWNER/NAME, as GitHub spells it, or empty"
	const connected = "projects/sandbox-project/locations/REGION/connections/CONNECTION/repositories/NAME, in the project of the stack, or empty"
	const builds = "projects/sandbox-project/locations/us-east1/connections/c/repositories/r"
	long := "release/" + strings.Repeat("x", 90)
	tests := []struct {
		changes map[string]string
		want    []string // beginnings of the lines
	}{
		{map[string]string{repositoryKey: "edge"}, []string{repositoryKey + ` is "edge"; it must be ` + form, numberKey + " is empty"}},
		{map[string]string{repositoryKey: "https://github.com/o/r", numberKey: "1"}, []string{repositoryKey + ` is "https://github.com/o/r"; it must be ` + form}},
		{map[string]string{repositoryKey: "o/r' || true", numberKey: "1"}, []string{repositoryKey + ` is "o/r' || true"; it must be ` + form}},
		{map[string]string{repositoryKey: "o/r"}, []string{numberKey + " is empty, but there is " + repositoryKey + ", whose workflows name their identity provider by it; run `make bootstrap`"}},
		{map[string]string{repositoryKey: "o/r", numberKey: "my-project"}, []string{numberKey + ` is "my-project"; it must be the number of the project`}},
		{map[string]string{repositoryIDKey: "42"}, []string{repositoryIDKey + ` is "42", but there is no ` + repositoryKey}},
		{map[string]string{repositoryKey: "o/r", numberKey: "1", repositoryIDKey: "o/r"}, []string{repositoryIDKey + ` is "o/r"; it must be the number of the repository`}},
		{map[string]string{branchKey: ""}, []string{branchKey + ` is ""; it must be the name of a branch`}},
		{map[string]string{branchKey: "ma in"}, []string{branchKey + ` is "ma in"; it must be the name of a branch`}},
		{map[string]string{repositoryKey: "some-organization/grpc-edge", numberKey: "1", branchKey: long},
			[]string{repositoryKey + ` is "some-organization/grpc-edge"; with ` + branchKey + " it makes a subject of 146 bytes"}},
		{map[string]string{reviewKey: "true"}, []string{reviewKey + " is true, but there is no " + repositoryKey}},
		{map[string]string{reviewKey: "yes"}, []string{reviewKey + ` is "yes"; it must be one of true, false`}},
		{map[string]string{cloudBuildKey: "o/r"}, []string{cloudBuildKey + ` is "o/r"; it must be ` + connected}},
		{map[string]string{cloudBuildKey: "projects/other-project/locations/us-east1/connections/c/repositories/r"},
			[]string{cloudBuildKey + ` is "projects/other-project/locations/us-east1/connections/c/repositories/r"; it must be ` + connected}},
		{map[string]string{tokenKey: "github-token"}, []string{tokenKey + ` is "github-token", but there is no ` + cloudBuildKey}},
		{map[string]string{promotedKey: "dev"}, []string{promotedKey + ` is "dev", but there is no ` + cloudBuildKey}},
		{map[string]string{cloudBuildKey: builds, tokenKey: "projects/p/secrets/s"},
			[]string{tokenKey + ` is "projects/p/secrets/s"; it must be the ID of a secret in the stack's project`}},
		{map[string]string{cloudBuildKey: builds, promotedKey: "Dev", "grpc-edge:deletionProtection": "true"},
			[]string{promotedKey + ` is "Dev"; it must be the name of a stack`}},
		{map[string]string{cloudBuildKey: builds, promotedKey: "dev", "grpc-edge:deletionProtection": "false"},
			[]string{promotedKey + ` is "dev", but without grpc-edge:deletionProtection every commit is deployed at once`}},
		{map[string]string{repositoryIDKey: "42", reviewKey: "true", branchKey: "-", cloudBuildKey: "x"}, // all at once
			[]string{cloudBuildKey, branchKey, repositoryIDKey, reviewKey}},
	}
	for _, test := range tests {
		_, err := load(t, sandbox(t, test.changes))
		lines := strings.Split(message(err), "\n")
		for i, want := range test.want {
			if len(lines) != len(test.want) || !strings.HasPrefix(lines[i], "  "+want) {
				t.Errorf("%v:\ngot  %s\nwant %s", test.changes, message(err), strings.Join(test.want, "\n     "))
				break
			}
		}
	}
}

func TestNameOfAStack(t *testing.T) {
	t.Parallel()
	on := Delivery{Repository: "o/r"}
	tests := []struct {
		name     string
		delivery Delivery
		want     string
	}{
		{"prod", on, ""},
		{strings.Repeat("a", 20), on, ""},
		{strings.Repeat("a", 21), on, "must be at most 20 characters"},
		{strings.Repeat("a", 21), Delivery{CloudBuild: CloudBuildRepository{Name: "x"}}, "must be at most 20 characters"},
		{strings.Repeat("a", 40), Delivery{}, ""},
		{strings.Repeat("a", 41), Delivery{}, "must be at most 40"},
		{"Prod", on, "must be at most 40 lower case letters"},
		{"prod", Delivery{Repository: "o/r", PromotedFrom: "prod"}, `promotedFrom is "prod", which is this stack`},
	}
	for _, test := range tests {
		r := newReader(nil, nil, "")
		r.checkStackName(test.name, test.delivery)
		if got := message(r.err()); test.want == "" && got != "" || !strings.Contains(got, test.want) {
			t.Errorf("%s with %+v: got %q, want %q", test.name, test.delivery, got, test.want)
		}
	}
}
