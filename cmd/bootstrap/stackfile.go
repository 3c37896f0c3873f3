package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/pmezard/go-difflib/difflib"
)

// stackFile holds the file Pulumi.STACK.yaml.
type stackFile struct {
	path, name string
	content    []byte
}

func readStackFile(root, stack string) (stackFile, error) {
	name := "Pulumi." + stack + ".yaml"
	f := stackFile{path: filepath.Join(root, name), name: name}
	var err error
	f.content, err = os.ReadFile(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		there, err := filepath.Glob(filepath.Join(root, "Pulumi.*.yaml"))
		if err != nil {
			return f, fmt.Errorf("looking for files of stacks: %w", err)
		}
		for i := range there {
			there[i] = strings.TrimSuffix(strings.TrimPrefix(filepath.Base(there[i]), "Pulumi."), ".yaml")
		}
		return f, fmt.Errorf("the stack %s has no file %s: copy that of another and edit it, or pass STACK=; there are: %s", stack, name, strings.Join(there, ", "))
	}
	if err != nil {
		return f, fmt.Errorf("reading the file of the stack: %w", err)
	}
	if _, err := decode(f.content); err != nil {
		return f, fmt.Errorf("reading %s: %w", name, err)
	}
	return f, nil
}

// value returns the value of a key of config, or of the file itself if section is empty.
// It returns "" if there is none.
func (f stackFile) value(section, key string) string {
	all, err := decode(f.content)
	if err != nil {
		return "" // readStackFile has decoded it
	}
	if section != "" {
		all, _ = all[section].(map[string]any)
	}
	if value, ok := all[key]; ok {
		return fmt.Sprint(value)
	}
	return ""
}

var regionName = regexp.MustCompile(`^[a-z]+-[a-z]+[0-9]{1,2}$`)

func (f stackFile) region() (string, error) {
	region := f.value("config", "gcp:region")
	if !regionName.MatchString(region) {
		return "", fmt.Errorf("%s: gcp:region is %q: it must be the region of the stack, such as us-central1; the bucket and the key will be there too", f.name, region)
	}
	return region, nil
}

// refuseOther refuses a stack whose secrets are encrypted by another provider: they would
// be lost.
func (f stackFile) refuseOther(provider string) error {
	what := "secretsprovider: " + f.value("", "secretsprovider")
	switch {
	case f.value("", "secretsprovider") == provider:
		return nil
	case f.value("", "secretsprovider") != "":
	case f.value("", "encryptionsalt") != "":
		what = "encryptionsalt, which is that of a passphrase"
	default:
		return nil
	}
	return fmt.Errorf(`%s has %s
but the key of this stack in this project would be
    %s
If no stack uses the file, delete its lines secretsprovider, encryptedkey and encryptionsalt, and run this again.
If one does, its secrets need the old key until they are encrypted again: set the file aside, delete these lines and
run this; then put the file back, and run
    pulumi stack change-secrets-provider '%s'
and this once more. PROJECT and STACK must be those of that stack`, f.name, what, provider, provider)
}

// planFile compares the file with its required content.
func (b *bootstrap) planFile(f stackFile) ([]step, error) {
	entries := []entry{
		{key: "secretsprovider", value: b.secretsProvider()},
		{section: "config", key: "gcp:project", value: b.project},
	}
	if version := b.signingVersion(f); version != "" {
		entries = append(entries, entry{section: "config", key: signingKeyEntry, value: b.signingKey() + "/cryptoKeyVersions/" + version})
	}
	if b.repository != "" {
		entries = append(entries, entry{section: "config", key: "grpc-edge:githubRepository", value: b.repository})
	}
	// Each new line goes right behind the region: the last one is the first.
	entries = append(entries, entry{section: "config", key: "grpc-edge:projectNumber", value: b.number, quoted: true})
	edited, err := edit(f.content, entries)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.name, err)
	}
	if bytes.Equal(edited, f.content) {
		return []step{{sign: "=", text: f.name}}, nil
	}
	diff, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: difflib.SplitLines(string(f.content)), B: difflib.SplitLines(string(edited)), Context: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("comparing %s: %w", f.name, err)
	}
	return []step{{
		sign: "~", text: f.name + "\n" + diff, note: f.stale(edited, b.project),
		do: func(context.Context) error { return f.write(edited) },
	}}, nil
}

// stale lists lines that still name the project from before the edit.
func (f stackFile) stale(edited []byte, project string) string {
	before := f.value("config", "gcp:project")
	if before == "" || before == project {
		return ""
	}
	var lines []string
	for i, line := range strings.Split(string(edited), "\n") {
		if strings.Contains(line, before) && !strings.HasPrefix(strings.TrimSpace(line), "#") {
			lines = append(lines, fmt.Sprintf("line %d still names %s: %s", i+1, before, strings.TrimSpace(line)))
		}
	}
	return strings.Join(lines, "; ")
}

// write replaces the content of the file, unless the file has changed since it was shown.
func (f stackFile) write(edited []byte) error {
	now, err := os.ReadFile(f.path)
	if err == nil && !bytes.Equal(now, f.content) {
		err = errors.New("it has changed since it was shown")
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", f.name, err)
	}
	temporary := f.path + ".new"
	if err := os.WriteFile(temporary, edited, 0o644); err != nil {
		return fmt.Errorf("writing %s: %w", f.name, err)
	}
	if err := os.Rename(temporary, f.path); err != nil {
		return errors.Join(fmt.Errorf("writing %s: %w", f.name, err), os.Remove(temporary))
	}
	return nil
}
