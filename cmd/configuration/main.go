// Command configuration writes docs/configuration.md: every key that Pulumi.yaml
// declares, and what the stacks of the repository set.
//
//	configuration [-root ROOT] [-output FILE]
//
// The types come from docs/stack.schema.json, which the program's reader of keys writes
// first (`make generate`). It fails if a key has a type in Pulumi.yaml or none in the
// schema, lacks a description, or has a field that its description does not name, and
// if a stack sets a key that is not declared.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	root := flag.String("root", ".", "the root of the repository")
	output := flag.String("output", "", "the file to write (default ROOT/docs/configuration.md)")
	flag.Parse()
	if *output == "" {
		*output = filepath.Join(*root, "docs", "configuration.md")
	}
	if err := run(*root, *output); err != nil {
		fmt.Fprintln(os.Stderr, "configuration:", err)
		os.Exit(1)
	}
}

func run(root, output string) error {
	content, err := document(root)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(output), 0o755); err != nil {
		return fmt.Errorf("creating the folder of the document: %w", err)
	}
	if err := os.WriteFile(output, content, 0o644); err != nil {
		return fmt.Errorf("writing the document: %w", err)
	}
	return nil
}

// document returns the page about what is declared and set. It writes no file.
func document(root string) ([]byte, error) {
	project, err := readProject(filepath.Join(root, "Pulumi.yaml"))
	if err != nil {
		return nil, err
	}
	schemas, err := readSchemas(filepath.Join(root, "docs", "stack.schema.json"))
	if err != nil {
		return nil, err
	}
	stacks, err := readStacks(root)
	if err != nil {
		return nil, err
	}
	if err := check(project, schemas, stacks); err != nil {
		return nil, err
	}
	return render(project, schemas, stacks), nil
}
