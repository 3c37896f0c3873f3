package stackfile

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func config(key, text string) Entry { return Entry{Section: Config, Key: key, Text: text} }

// read reads a file of the stack dev with this content.
func read(t *testing.T, content string) *File {
	t.Helper()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, Name("dev")), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	file, err := Read(dir, "dev")
	if err != nil {
		t.Fatal(err)
	}
	return file
}

func TestEdit(t *testing.T) {
	t.Parallel()
	project := config("gcp:project", "new")
	number := config("grpc-edge:projectNumber", `"12"`)
	provider := Entry{Key: "secretsprovider", Text: "gcpkms://k"}
	const region = "config:\n  gcp:region: r"
	tests := map[string]struct {
		content, want string
		entries       []Entry
	}{
		"comment behind the value": {region + "\n  gcp:project: old # mine\n", region + "\n  gcp:project: new # mine\n", []Entry{project}},
		"in quotes":                {region + "\n  \"gcp:project\": 'old' # mine\n", region + "\n  \"gcp:project\": new # mine\n", []Entry{project}},
		"no line end":              {region, region + "\n  gcp:project: new\n", []Entry{project}},
		"Windows":                  {"config:\r\n  gcp:region: r\r\n", "config:\r\n  gcp:region: r\r\n  gcp:project: new\n", []Entry{project}},
		"other indent":             {"config:\n     gcp:region: r\n", "config:\n     gcp:region: r\n     gcp:project: new\n", []Entry{project}},
		"number to string":         {region + "\n  grpc-edge:projectNumber: 12\n", region + "\n  grpc-edge:projectNumber: \"12\"\n", []Entry{number}},
		"comments above":           {"# one\n\n# two\n" + region + "\n", "# one\n\n# two\nsecretsprovider: gcpkms://k\n" + region + "\n", []Entry{provider}},
		"provider behind":          {region + "\nsecretsprovider: old\n", region + "\nsecretsprovider: gcpkms://k\n", []Entry{provider}},
		"umlauts":                  {region + "\n  gcp:project: ü\n", region + "\n  gcp:project: new\n", []Entry{project}},
		"nothing to do":            {region + "\n  gcp:project: \"new\"\n", region + "\n  gcp:project: \"new\"\n", []Entry{project}},

		"list":                {region + "\n  grpc-edge:zones: [a, b] # two\n", region + "\n  grpc-edge:zones: [c] # two\n", []Entry{config("grpc-edge:zones", "[c]")}},
		"to an object":        {region + "\n  gcp:project: old\n", region + "\n  gcp:project: {secure: x}\n", []Entry{config("gcp:project", "{secure: x}")}},
		"removed":             {region + "\n  gcp:project: old # mine\n# end\n", region + "\n# end\n", []Entry{config("gcp:project", "")}},
		"secret replaced":     {region + "\n  gcp:project:\n    secure: x\n  a: b\n", region + "\n  gcp:project: new\n  a: b\n", []Entry{project}},
		"secret removed":      {region + "\n  gcp:project:\n    secure: x\n  a: b\n", region + "\n  a: b\n", []Entry{config("gcp:project", "")}},
		"objects removed":     {region + "\n  gcp:project:\n    - a: 1\n      b: 2\n    - a: 3\n  a: b\n", region + "\n  a: b\n", []Entry{config("gcp:project", "")}},
		"not there to remove": {region + "\n", region + "\n", []Entry{config("gcp:project", "")}},
		"two at once":         {region + "\n  gcp:project: old\n", region + "\n  grpc-edge:projectNumber: \"12\"\n  gcp:project: new\n", []Entry{project, number}},

		"flow style":      {"config: {gcp:region: r}\n", "", []Entry{project}},
		"block of text":   {region + "\n  gcp:project: |\n    old\n", "", []Entry{project}},
		"over two lines":  {"config:\n  gcp:region:\n    r\n", "", []Entry{project}},
		"without config":  {"secretsprovider: x\n", "", []Entry{project}},
		"removed block":   {region + "\n  gcp:project: |\n    old\n", "", []Entry{config("gcp:project", "")}},
		"list over lines": {region + "\n  gcp:project: [a,\n    b]\n", "", []Entry{project}},
		"no YAML":         {region + "\n", "", []Entry{config("gcp:project", "[")}},
	}
	for name, test := range tests {
		file := read(t, test.content)
		got, err := file.Edit(test.entries...)
		switch {
		case test.want == "" && err == nil:
			t.Errorf("%s: edited to %q, want an error", name, got)
		case test.want != "" && (err != nil || string(got) != test.want):
			t.Errorf("%s: edited to %q with error %v, want %q", name, got, err, test.want)
		}
	}
}

func TestSet(t *testing.T) {
	t.Parallel()
	file := read(t, "config:\n  gcp:region: r\n  grpc-edge:gone: 1\n  grpc-edge:kept: 2\n")
	got, err := file.Set(map[string]string{"gone": "", "added": "[a, b]"})
	if want := "config:\n  gcp:region: r\n  grpc-edge:added: [a, b]\n  grpc-edge:kept: 2\n"; err != nil || string(got) != want {
		t.Errorf("Set = %q, %v; want %q", got, err, want)
	}
}

// TestWriteKeepsOthersChanges refuses to write over what someone else wrote.
func TestWriteKeepsOthersChanges(t *testing.T) {
	t.Parallel()
	file := read(t, "config: {}\n")
	if err := os.WriteFile(file.Path, []byte("now"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := file.Write([]byte("edited")); err == nil || !strings.Contains(err.Error(), "has changed") {
		t.Errorf("Write = %v, want an error about the change", err)
	}
	if content, err := os.ReadFile(file.Path); err != nil || string(content) != "now" {
		t.Errorf("the file has %q (error %v), want what someone else wrote", content, err)
	}
}
