package recovery

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"sigs.k8s.io/yaml"
)

var place = map[string]string{"project": "p", "region": "us-central1"}

// urn returns the URN of a resource "it".
func urn(kind string) string { return "urn:pulumi:dev::grpc-edge::" + kind + "::it" }

func export(resources, operations []string) []byte {
	return fmt.Appendf(nil, `{"version":3,"deployment":{"manifest":{},"resources":[%s],"pending_operations":[%s]}}`,
		strings.Join(resources, ","), strings.Join(operations, ","))
}

func state(kind, inputs, more string) string {
	return fmt.Sprintf(`{"urn":%q,"custom":true,"type":%q,"inputs":%s%s}`, urn(kind), kind, inputs, more)
}

func operation(doing, state string) string {
	return fmt.Sprintf(`{"type":%q,"resource":%s}`, doing, state)
}

const network = "gcp:compute/network:Network"

// TestSettle has one operation that was interrupted in each case.
func TestSettle(t *testing.T) {
	t.Parallel()
	const id, named = "projects/p/global/networks/net-1", `{"name":"net-1"}`
	made := state(network, named, `,"id":"`+id+`"`)
	service := state("kubernetes:core/v1:Service", `{"metadata":{"name":"it","namespace":"space"}}`, "")
	namespace := state("kubernetes:core/v1:Namespace", `{"metadata":{"name":"it"}}`, "")
	other := state(network, `{"name":"net-2"}`, `,"id":"projects/p/global/networks/net-2"`)
	tests := map[string]struct {
		resources  []string
		operation  string
		want       []string
		wantTarget bool
		wantLook   string
	}{
		"created perhaps":             {nil, operation("creating", state(network, named, "")), []string{made}, true, ""},
		"and made by another up":      {[]string{made}, operation("creating", state(network, named, "")), []string{made}, false, ""},
		"and another made by an up":   {[]string{other}, operation("creating", state(network, named, "")), []string{other, state(network, named, `,"id":"`+id+`","delete":true`)}, true, ""},
		"updated perhaps":             {[]string{made}, operation("updating", made), []string{made}, true, ""},
		"deleted perhaps":             {[]string{made}, operation("deleting", made), []string{made}, true, ""},
		"read, and not in the state":  {nil, operation("reading", made), nil, false, ""},
		"in the cluster perhaps":      {nil, operation("creating", service), []string{strings.TrimSuffix(service, "}") + `,"id":"space/it"}`}, true, ""},
		"a namespace perhaps":         {nil, operation("creating", namespace), []string{strings.TrimSuffix(namespace, "}") + `,"id":"it"}`}, true, ""},
		"the same whenever it's made": {nil, operation("creating", state("gcp:projects/service:Service", `{"service":"compute.googleapis.com"}`, "")), nil, false, ""},
		"numbered by Google": {nil, operation("creating", state("gcp:monitoring/alertPolicy:AlertPolicy", `{"displayName":"calls fail"}`, "")), nil, false,
			`gcloud monitoring policies list --project=p --filter='displayName="calls fail"'`},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, err := Settle(export(test.resources, []string{test.operation}), place)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(decode(t, strings.Replace(string(export(test.want, nil)), `,"pending_operations":[]`, "", 1)), decode(t, string(got.State))); diff != "" {
				t.Errorf("the settled state differs (-want +got):\n%s", diff)
			}
			if (len(got.Targets) == 1) != test.wantTarget {
				t.Errorf("to refresh: %q, want one: %v", got.Targets, test.wantTarget)
			}
			if len(got.Look) > 0 != (test.wantLook != "") || len(got.Look) > 0 && got.Look[0].List != test.wantLook {
				t.Errorf("to be looked for: %q, want %q", got.Look, test.wantLook)
			}
		})
	}
}

func decode(t *testing.T, text string) any {
	t.Helper()
	var v map[string]any
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	if d := v["deployment"].(map[string]any); d["resources"] == nil {
		d["resources"] = []any{}
	}
	return v
}

func TestSettleTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"{": "reading the state: ",
		string(export(nil, []string{operation("creating", state(network, "{}", ""))})):                     urn(network) + ": neither the resource nor the stack's config has name",
		string(export(nil, []string{operation("creating", state("kubernetes:core/v1:Secret", "{}", ""))})): urn("kubernetes:core/v1:Secret") + ": the object has no name",
	} {
		if _, err := Settle([]byte(text), place); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Settle(%s) = %v, want %q", text, err, want)
		}
	}
	if got, err := Settle([]byte(`{"version":3}`), place); err != nil || string(got.State) != `{"version":3}` {
		t.Errorf("Settle of no state = %s, %v", got.State, err)
	}
}

// again lists types for which a second creation makes no second object: Google treats the
// same API, member or policy as the existing one.
var again = []string{
	"gcp:artifactregistry/repositoryIamMember:RepositoryIamMember",
	"gcp:binaryauthorization/policy:Policy",
	"gcp:dns/recordSet:RecordSet", // the provider replaces the records that there are
	"gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember",
	"gcp:projects/iAMMember:IAMMember",
	"gcp:projects/service:Service",
	"gcp:projects/serviceIdentity:ServiceIdentity",
	"gcp:secretmanager/secretIamMember:SecretIamMember",
	"gcp:serviceaccount/iAMMember:IAMMember",
	"gcp:storage/bucketIAMMember:BucketIAMMember",
}

// TestEveryTypeIsKnown checks that, for each type that the program creates in Google Cloud, the
// effect of a second creation is known.
func TestEveryTypeIsKnown(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../../infra/testdata/*.yaml")
	if err != nil || len(files) < 3 {
		t.Fatalf("found %q, %v, want the golden lists of the stacks", files, err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		var resources []struct{ Resource string }
		if err := yaml.Unmarshal(content, &resources); err != nil {
			t.Fatal(err)
		}
		for _, r := range resources {
			kind, _, _ := strings.Cut(r.Resource, " ")
			if strings.HasPrefix(kind, "gcp:") && byName[kind] == "" && numbered[kind] == "" && !slices.Contains(again, kind) {
				t.Errorf("%s has %s: say in names.go how it is found after a killed update, or here that it may be made again", file, kind)
			}
		}
	}
}
