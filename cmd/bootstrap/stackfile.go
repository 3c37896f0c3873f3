package main

import (
	"bytes"
	"context"
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"github.com/pmezard/go-difflib/difflib"

	"example.com/grpc-edge/internal/stackfile"
)

var regionName = regexp.MustCompile(`^[a-z]+-[a-z]+[0-9]{1,2}$`)

// regionOf returns the region of the stack.
func regionOf(f *stackfile.File) (string, error) {
	region := f.Value("gcp:region")
	if !regionName.MatchString(region) {
		return "", fmt.Errorf("%s: gcp:region is %q: it must be the region of the stack, such as us-central1; the bucket and the key will be there too", f.Name(), region)
	}
	return region, nil
}

// refuseOther refuses a stack whose secrets are encrypted by another provider: they would
// be lost.
func refuseOther(f *stackfile.File, provider string) error {
	what := "secretsprovider: " + f.Setting("secretsprovider")
	switch {
	case f.Setting("secretsprovider") == provider:
		return nil
	case f.Setting("secretsprovider") != "":
	case f.Setting("encryptionsalt") != "":
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
and this once more. PROJECT and STACK must be those of that stack`, f.Name(), what, provider, provider)
}

// planFile compares the file with its required content.
func (b *bootstrap) planFile(f *stackfile.File) ([]step, error) {
	config := func(key, text string) stackfile.Entry {
		return stackfile.Entry{Section: stackfile.Config, Key: key, Text: text}
	}
	entries := []stackfile.Entry{{Key: "secretsprovider", Text: b.secretsProvider()}, config("gcp:project", b.project)}
	if version := b.signingVersion(f); version != "" {
		entries = append(entries, config(signingKeyEntry, b.signingKey()+"/cryptoKeyVersions/"+version))
	}
	if b.repository != "" {
		entries = append(entries, config("grpc-edge:githubRepository", b.repository))
	}
	// Each new line goes right behind the region: the last one is the first. In quotes, YAML
	// does not read the number as one, which Pulumi would not accept.
	entries = append(entries, config("grpc-edge:projectNumber", strconv.Quote(b.number)))
	edited, err := f.Edit(entries...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", f.Name(), err)
	}
	if bytes.Equal(edited, f.Content) {
		return []step{{sign: "=", text: f.Name()}}, nil
	}
	diff, err := difflib.GetUnifiedDiffString(difflib.UnifiedDiff{
		A: difflib.SplitLines(string(f.Content)), B: difflib.SplitLines(string(edited)), Context: 1,
	})
	if err != nil {
		return nil, fmt.Errorf("comparing %s: %w", f.Name(), err)
	}
	return []step{{
		sign: "~", text: f.Name() + "\n" + diff, note: stale(f, edited, b.project),
		do: func(context.Context) error { return f.Write(edited) },
	}}, nil
}

// stale lists lines that still name the project from before the edit.
func stale(f *stackfile.File, edited []byte, project string) string {
	before := f.Value("gcp:project")
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
