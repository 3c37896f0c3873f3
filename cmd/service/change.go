package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/mod/modfile"

	"example.com/grpc-edge/services/catalog"
)

// samples lists the services that the repository's tests call. New services start with the
// modules of one of them.
var samples = []string{model, "reverse"}

// remove deletes the service's folder and its line in go.work. Services that call it
// keep it.
func remove(ctx context.Context, root, name string, out io.Writer) error {
	if err := errors.Join(exists(root, name), removable(name)); err != nil {
		return err
	}
	callers, err := mentions(root, name, filepath.Join(catalog.Dir, "*", catalog.SpecFile))
	if err != nil {
		return err
	}
	importers, err := mentions(root, catalog.Dir+"/"+name, filepath.Join(catalog.Dir, "*", "go.mod"))
	if err != nil {
		return err
	}
	callers = append(callers, importers...)
	callers = slices.DeleteFunc(callers, func(line string) bool { return strings.HasPrefix(line, filepath.Join(catalog.Dir, name)+"/") })
	if len(callers) > 0 {
		return fmt.Errorf("other services name %s; remove these lines first:\n%s", name, strings.Join(callers, "\n"))
	}
	if err := os.RemoveAll(folder(root, name)); err != nil {
		return fmt.Errorf("removing services/%s: %w", name, err)
	}
	if err := editWork(root, func(work *modfile.WorkFile) error { return work.DropUse("./services/" + name) }); err != nil {
		return err
	}
	if err := generate(ctx, root, out); err != nil {
		return err
	}
	fmt.Fprintf(out, "\nservices/%s is removed; `make up` or the next deployment removes it from the cluster.\n", name)
	return reportMentions(root, name, out)
}

// rename moves the service's folder, and with it the names of its objects in the
// cluster, its image and its Go module. Its protos stay: clients call it as before.
func rename(ctx context.Context, root, name, to string, out io.Writer) error {
	if err := exists(root, name); err != nil {
		return err
	}
	if err := catalog.CheckName(to); err != nil {
		return err
	}
	if _, err := os.Lstat(folder(root, to)); err == nil {
		return fmt.Errorf("the name %q is taken: services/%s is there already", to, to)
	}
	if err := removable(name); err != nil {
		return err
	}
	if err := os.Rename(folder(root, name), folder(root, to)); err != nil {
		return fmt.Errorf("moving the folder: %w", err)
	}
	services, err := catalog.Names(root)
	if err != nil {
		return err
	}
	for _, service := range services { // others may call it
		if err := errors.Join(renameInCode(folder(root, service), name, to), renameCall(folder(root, service), name, to)); err != nil {
			return err
		}
	}
	if err := renameInBuf(root, name, to); err != nil {
		return err
	}
	err = editWork(root, func(work *modfile.WorkFile) error {
		dropped := work.DropUse("./services/" + name)
		if dropped != nil || !isModule(root, to) {
			return dropped
		}
		return work.AddUse("./services/"+to, "")
	})
	if err != nil {
		return err
	}
	if err := generate(ctx, root, out); err != nil {
		return err
	}
	fmt.Fprintf(out, `
services/%[1]s is now services/%[2]s. The next deployment starts it under the new name,
moves the edge there, and removes the old one. Services that call it name it by the new
name. In another language than Go, have them read %[3]s.
`, name, to, catalog.TargetVariable(to))
	return reportMentions(root, name, out)
}

// removable returns an error if the service is one of the samples.
func removable(name string) error {
	if slices.Contains(samples, name) {
		return fmt.Errorf("the tests of this repository call %[1]s, so it stays; to keep it off the edge of a stack: pulumi config set --path 'grpc-edge:services.%[1]s.private' true", name)
	}
	return nil
}

func exists(root, name string) error {
	known, err := catalog.Names(root)
	if err != nil {
		return err
	}
	if !slices.Contains(known, name) {
		return fmt.Errorf("there is no service %q; it must be one of %s", name, strings.Join(known, ", "))
	}
	return nil
}

func isModule(root, name string) bool {
	_, err := os.Stat(filepath.Join(folder(root, name), "go.mod"))
	return err == nil
}

// renameInCode writes the new path and folder of the module wherever the folder has the old
// ones, and the new name where its Go code connects to the service.
func renameInCode(dir, name, to string) error {
	quoted := regexp.QuoteMeta(name)
	module := regexp.MustCompile(`(\bservices/|=> \.\./)` + quoted + `(["/\s;])`)
	dial := regexp.MustCompile(`(\bDial\(")` + quoted + `(")`)
	target := regexp.MustCompile(`\b` + catalog.TargetVariable(name) + `\b`)
	return filepath.WalkDir(dir, func(p string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !slices.Contains([]string{".go", ".mod", ".proto"}, filepath.Ext(p)) {
			return err
		}
		content, err := os.ReadFile(p)
		if err != nil {
			return err
		}
		changed := module.ReplaceAll(content, []byte("${1}"+to+"$2"))
		if filepath.Ext(p) == ".go" {
			changed = dial.ReplaceAll(changed, []byte("${1}"+to+"$2"))
			changed = target.ReplaceAll(changed, []byte(catalog.TargetVariable(to)))
		}
		if bytes.Equal(changed, content) {
			return nil
		}
		return os.WriteFile(p, changed, 0o644)
	})
}

// renameInBuf writes the new folder where buf.yaml has the old one: the paths of protos begin at
// the folder that it names.
func renameInBuf(root, name, to string) error {
	file := filepath.Join(root, "buf.yaml")
	content, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	entry := regexp.MustCompile(`(?m)(\bservices/)` + regexp.QuoteMeta(name) + `(["'/,}\]\s]|$)`)
	return os.WriteFile(file, entry.ReplaceAll(content, []byte("${1}"+to+"$2")), 0o644)
}

// renameCall writes the new name of a service in `calls` of a service.yaml.
func renameCall(dir, name, to string) error {
	file := filepath.Join(dir, catalog.SpecFile)
	content, calls, err := readCalls(file)
	if err != nil || calls == nil {
		return err
	}
	lines := strings.SplitAfter(string(content), "\n")
	for _, call := range slices.Backward(calls.Content) { // so that the columns before it stay right
		if call.Value == name {
			line, at := lines[call.Line-1], call.Column-1
			lines[call.Line-1] = line[:at] + strings.Replace(line[at:], name, to, 1)
		}
	}
	return os.WriteFile(file, []byte(strings.Join(lines, "")), 0o644)
}

// reportMentions prints what still has the old name, which is for a person to decide.
func reportMentions(root, name string, out io.Writer) error {
	lines, err := mentions(root, name, "Pulumi.*.yaml", "buf.yaml", filepath.Join(catalog.Dir, "*", catalog.SpecFile))
	if err != nil || len(lines) == 0 {
		return err
	}
	fmt.Fprintf(out, "These lines still name %s:\n%s\n", name, strings.Join(lines, "\n"))
	return nil
}

// mentions lists the lines that have the name as a word of their own, with their place.
// Comments do not count.
func mentions(root, name string, patterns ...string) ([]string, error) {
	word := regexp.MustCompile(`(^|[^A-Za-z0-9-])` + regexp.QuoteMeta(name) + `($|[^A-Za-z0-9-])`)
	var lines []string
	for _, pattern := range patterns {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		if err != nil {
			return nil, err
		}
		for _, file := range files {
			content, err := os.ReadFile(file)
			if err != nil {
				return nil, err
			}
			relative, err := filepath.Rel(root, file)
			if err != nil {
				return nil, err
			}
			for i, line := range strings.Split(string(content), "\n") {
				if word.MatchString(line) && !strings.HasPrefix(strings.TrimSpace(line), "#") {
					lines = append(lines, fmt.Sprintf("%s:%d: %s", relative, i+1, strings.TrimSpace(line)))
				}
			}
		}
	}
	return lines, nil
}
