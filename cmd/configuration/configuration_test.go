package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const repository = "../.."

func TestDocumentIsUpToDate(t *testing.T) {
	t.Parallel()
	want, err := document(repository)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(repository, "docs", "configuration.md")
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Errorf("%s is not what the keys are now; run `make generate`", path)
	}
}

const declared = `name: edge
config:
  ##@ Place
  # Why it is here.
  zone:
    default: ""
    description: Where a | b.
  names:
    default: [a]
    description: >-
      Some
      names.

  ##@ Rules
  rules:
    default: []
    description: What callers may do, by service, with rate and clients.
  window:
    default: {start: now}
    description: When, from start.
`

const schemas = `{"properties": {"config": {"properties": {
	"edge:zone": {"anyOf": [{"type": "string"}, {"type": "object"}]},
	"edge:names": {"type": "array", "items": {"type": "string"}},
	"edge:rules": {"type": "array", "items": {"type": "object", "properties": {
		"service": {"type": "string"}, "rate": {"type": "integer"}, "clients": {"type": "array", "items": {"type": "string"}}}}},
	"edge:window": {"type": ["object", "string"], "properties": {"start": {"type": "string"}}}
}}}}`

const dev = `config:
  gcp:project: mine
  edge:zone: a
  edge:names: # two
    - b
    - c|d
`

const prod = `config:
  edge:zone: {secure: AAA}
  gcp:project: ours
`

func TestDocument(t *testing.T) {
	t.Parallel()
	got, err := document(repositoryOf(t, declared, map[string]string{"dev": dev, "prod": prod}))
	if err != nil {
		t.Fatal(err)
	}
	const want = `
## Place

| key | type | default | what it is |
|---|---|---|---|
| ¤zone¤ | string | ¤""¤ | Where a \| b. |
| ¤names¤ | list of string | ¤[a]¤ | Some names. |

## Rules

| key | type | default | what it is |
|---|---|---|---|
| ¤rules¤ | list of object | ¤[]¤ | What callers may do, by service, with rate and clients.<br>Fields: ¤clients¤ list of string, ¤rate¤ integer, ¤service¤ string. |
| ¤window¤ | object | ¤{start: now}¤ | When, from start.<br>Fields: ¤start¤ string. |

## The stacks of this repository

Keys that a stack sets; an empty cell is the default.

| key | default | [dev](../Pulumi.dev.yaml) | [prod](../Pulumi.prod.yaml) |
|---|---|---|---|
| ¤gcp:project¤ |  | ¤mine¤ | ¤ours¤ |
| ¤zone¤ | ¤""¤ | ¤a¤ | (secret) |
| ¤names¤ | ¤[a]¤ | ¤[b, c\|d]¤ |  |
`
	_, body, _ := strings.Cut(string(got), "stack.schema.json).\n")
	if body != strings.ReplaceAll(want, "¤", "`") {
		t.Errorf("the document is\n%s", body)
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]struct{ from, to, stack, want string }{
		"no description":   {"description: Where a | b.", "", dev, "key zone of Pulumi.yaml has no description"},
		"a type":           {"  zone:\n", "  zone:\n    type: string\n", dev, "key zone of Pulumi.yaml has a type"},
		"not read":         {"  zone:\n", "  zoen:\n    description: x\n  zone:\n", dev, "key zoen of Pulumi.yaml is not in docs/stack.schema.json"},
		"unnamed field":    {"with rate and", "with rates and", dev, "key rules of Pulumi.yaml has the field rate,"},
		"undeclared in it": {"", "", "config:\n  edge:zoe: a\n", "key edge:zoe of Pulumi.dev.yaml is not declared"},
	} {
		root := repositoryOf(t, strings.Replace(declared, change.from, change.to, 1), map[string]string{"dev": change.stack})
		output := filepath.Join(root, "docs", "configuration.md")
		err := run(root, output)
		if err == nil || !strings.Contains(err.Error(), change.want) {
			t.Errorf("%s: %v, want an error with %q", name, err, change.want)
		}
		if _, err := os.Stat(output); err == nil {
			t.Errorf("%s: a document was written all the same", name)
		}
	}
}

func repositoryOf(t *testing.T, project string, stacks map[string]string) string {
	t.Helper()
	root := t.TempDir()
	files := map[string]string{"Pulumi.yaml": project, "docs/stack.schema.json": schemas}
	for name, content := range stacks {
		files["Pulumi."+name+".yaml"] = content
	}
	for path, content := range files {
		path = filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}
