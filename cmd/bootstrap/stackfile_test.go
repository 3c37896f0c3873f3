package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func testRun(stack, repository string) *bootstrap {
	return &bootstrap{options: options{project: fakeProject, repository: repository, stack: stack}, region: "us-central1", number: fakeNumber}
}

// planned edits a file as a run does, and returns what it has then.
func planned(t *testing.T, b *bootstrap, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	steps, err := b.planFile(stackFile{path: path, name: name, content: content})
	if err != nil {
		t.Fatal(err)
	}
	if steps[0].do != nil {
		if err := steps[0].do(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if content, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestFiles edits copies of the repository's files.
func TestFiles(t *testing.T) {
	t.Parallel()
	for _, stack := range []string{"dev", "prod"} {
		got := planned(t, testRun(stack, "owner/name"), "Pulumi."+stack+".yaml")
		compare(t, filepath.Join("testdata", "Pulumi."+stack+".edited.yaml"), got)
		if again := planned(t, testRun(stack, "owner/name"), "Pulumi."+stack+".edited.yaml"); again != got {
			t.Errorf("%s: edited again it is\n%s", stack, again)
		}
	}
}

// TestSavedByPulumi leaves what `pulumi stack init` of Pulumi 3.258 makes of an edited
// file: without empty lines, with quotes, and with encryptedkey.
func TestSavedByPulumi(t *testing.T) {
	t.Parallel()
	saved, err := os.ReadFile("testdata/Pulumi.dev.saved.yaml")
	if err != nil {
		t.Fatal(err)
	}
	if got := planned(t, testRun("dev", "owner/name"), "Pulumi.dev.saved.yaml"); got != string(saved) {
		t.Errorf("it is changed to\n%s", got)
	}
}

func TestEdit(t *testing.T) {
	t.Parallel()
	project := entry{section: "config", key: "gcp:project", value: "new"}
	number := entry{section: "config", key: "grpc-edge:projectNumber", value: "12", quoted: true}
	provider := entry{key: "secretsprovider", value: "gcpkms://k"}
	const region = "config:\n  gcp:region: r"
	tests := map[string]struct {
		content, want string
		entries       []entry
	}{
		"comment behind the value": {region + "\n  gcp:project: old # mine\n", region + "\n  gcp:project: new # mine\n", []entry{project}},
		"in quotes":                {region + "\n  \"gcp:project\": 'old' # mine\n", region + "\n  \"gcp:project\": new # mine\n", []entry{project}},
		"no line end":              {region, region + "\n  gcp:project: new\n", []entry{project}},
		"Windows":                  {"config:\r\n  gcp:region: r\r\n", "config:\r\n  gcp:region: r\r\n  gcp:project: new\n", []entry{project}},
		"other indent":             {"config:\n     gcp:region: r\n", "config:\n     gcp:region: r\n     gcp:project: new\n", []entry{project}},
		"number to string":         {region + "\n  grpc-edge:projectNumber: 12\n", region + "\n  grpc-edge:projectNumber: \"12\"\n", []entry{number}},
		"comments above":           {"# one\n\n# two\n" + region + "\n", "# one\n\n# two\nsecretsprovider: gcpkms://k\n" + region + "\n", []entry{provider}},
		"provider behind":          {region + "\nsecretsprovider: old\n", region + "\nsecretsprovider: gcpkms://k\n", []entry{provider}},
		"umlauts":                  {region + "\n  gcp:project: ü\n", region + "\n  gcp:project: new\n", []entry{project}},
		"nothing to do":            {region + "\n  gcp:project: \"new\"\n", region + "\n  gcp:project: \"new\"\n", []entry{project}},

		"flow style":       {"config: {gcp:region: r}\n", "", []entry{project}},
		"block of text":    {region + "\n  gcp:project: |\n    old\n", "", []entry{project}},
		"over two lines":   {"config:\n  gcp:region:\n    r\n", "", []entry{project}},
		"without config":   {"secretsprovider: x\n", "", []entry{project}},
		"config is a list": {"config: [a]\n", "", []entry{project}},
	}
	for name, test := range tests {
		got, err := edit([]byte(test.content), test.entries)
		switch {
		case test.want == "" && err == nil:
			t.Errorf("%s: edited to %q, want an error", name, got)
		case test.want != "" && (err != nil || string(got) != test.want):
			t.Errorf("%s: edited to %q with error %v, want %q", name, got, err, test.want)
		}
	}
}

// TestWriteKeepsOthersChanges refuses to write over what someone else wrote.
func TestWriteKeepsOthersChanges(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "Pulumi.dev.yaml")
	if err := os.WriteFile(path, []byte("now"), 0o600); err != nil {
		t.Fatal(err)
	}
	f := stackFile{path: path, name: "Pulumi.dev.yaml", content: []byte("before")}
	if err := f.write([]byte("edited")); err == nil || !strings.Contains(err.Error(), "has changed") {
		t.Errorf("write = %v, want an error about the change", err)
	}
	if content, err := os.ReadFile(path); err != nil || string(content) != "now" {
		t.Errorf("the file has %q (error %v), want what someone else wrote", content, err)
	}
}

// TestNoCredentials is not parallel, as it sets the environment.
func TestNoCredentials(t *testing.T) {
	t.Setenv("GOOGLE_APPLICATION_CREDENTIALS", filepath.Join(t.TempDir(), "missing.json"))
	err := run(t.Context(), defaults, strings.NewReader(""), &strings.Builder{})
	if err == nil || !strings.Contains(err.Error(), "gcloud auth application-default login") {
		t.Errorf("run without credentials = %v, want the command that gets some", err)
	}
}
