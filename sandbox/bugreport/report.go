// Package bugreport packs what a bug report needs: a sandbox's logs, and its state without secrets.
// It takes only files that it knows, and no keys. In each file, it replaces what looks like a secret
// or is one of this sandbox's.
package bugreport

import (
	"archive/tar"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"time"
)

// Part is a file of the report.
type Part struct {
	Name string
	Text []byte
}

// longest limits how much of a file is packed: its end.
const longest = 4 << 20

// kept lists the patterns of the files in a sandbox's folder that are packed besides logs.
var kept = []string{
	"daemon.json", "breakpoint", "paused", "cloud/state.json", "cloud/faults.json", "Pulumi.*.yaml",
	"pulumi/.pulumi/stacks/grpc-edge/*.json",
}

// Write packs files of a sandbox's folder, the logs of builds and further parts. Whatever cannot be
// read is named in the report, as the rest may be enough.
func Write(w io.Writer, state, builds string, parts ...Part) error {
	hide, err := newRedactor(state)
	if err != nil {
		return err
	}
	compressed := gzip.NewWriter(w)
	archive := tar.NewWriter(compressed)
	for _, from := range []struct{ name, folder string }{{"sandbox", state}, {"builds", builds}} {
		found, err := collect(from.folder)
		for _, p := range found {
			p.Name = path.Join(from.name, p.Name)
			parts = append(parts, p)
		}
		if err != nil {
			parts = append(parts, Part{from.name + "/unread.txt", []byte(err.Error() + "\n")})
		}
	}
	for _, p := range parts {
		text := hide.redact(p.Name, p.Text)
		if len(text) > longest {
			text = text[len(text)-longest:]
		}
		header := &tar.Header{Name: "report/" + p.Name, Mode: 0o600, Size: int64(len(text)), ModTime: time.Now(), Typeflag: tar.TypeReg}
		if err := archive.WriteHeader(header); err != nil {
			return fmt.Errorf("packing %s: %w", p.Name, err)
		}
		if _, err := archive.Write(text); err != nil {
			return fmt.Errorf("packing %s: %w", p.Name, err)
		}
	}
	return errors.Join(archive.Close(), compressed.Close())
}

// collect reads the files of a folder that are packed. It follows no links or mounts.
func collect(folder string) ([]Part, error) {
	var parts []Part
	var errs []error
	err := filepath.WalkDir(folder, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			errs = append(errs, err)
			return nil
		}
		name, _ := filepath.Rel(folder, file)
		if entry.IsDir() && withoutLogs(name) {
			return fs.SkipDir
		}
		if !entry.Type().IsRegular() || !packed(name) {
			return nil
		}
		text, err := os.ReadFile(file)
		if err != nil {
			errs = append(errs, err)
			return nil
		}
		parts = append(parts, Part{filepath.ToSlash(name), text})
		return nil
	})
	return parts, errors.Join(append(errs, err)...)
}

// withoutLogs reports whether a folder holds keys and secrets, or what nodes and registries store.
func withoutLogs(name string) bool {
	switch filepath.Base(name) {
	case "credentials", "secrets", "keys", "pki", "registry", "varlib", "sys":
		return true
	}
	return false
}

func packed(name string) bool {
	if strings.HasSuffix(name, ".log") {
		return true
	}
	for _, pattern := range kept {
		if match, _ := path.Match(pattern, filepath.ToSlash(name)); match {
			return true
		}
	}
	return false
}
