package stackfile

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"

	"example.com/grpc-edge/internal/wholefile"
)

// Entry describes a key that the file must have.
type Entry struct {
	// Section is [Config], or "" for the file itself.
	Section string
	Key     string
	// Text is the value in YAML, on one line. An empty one removes the key.
	Text string
}

// Set returns the text of the file with keys of the program itself, by their names without
// its prefix. See [Entry] for their values, and [File.Edit] for errors.
func (f *File) Set(texts map[string]string) ([]byte, error) {
	var entries []Entry
	for _, key := range slices.Sorted(maps.Keys(texts)) {
		entries = append(entries, Entry{Section: Config, Key: Program + ":" + key, Text: texts[key]})
	}
	return f.Edit(entries...)
}

// Program is the name of the project in Pulumi.yaml, and the prefix of its keys.
const Program = "grpc-edge"

// Edit returns the text of the file with the entries. Comments, empty lines and the order of
// keys stay, which YAML's own writer would lose. A layout that Edit does not understand is an
// error that says what to set by hand.
func (f *File) Edit(entries ...Entry) ([]byte, error) {
	want := f.Settings()
	edited := string(f.Content)
	for _, e := range entries {
		if err := e.in(want); err != nil {
			return nil, err
		}
		var err error
		if edited, err = set(edited, e); err != nil {
			return nil, err
		}
	}
	root, err := parse([]byte(edited))
	if err != nil || !reflect.DeepEqual(decode(root), want) {
		return nil, byHand(entries)
	}
	return []byte(edited), nil
}

// in sets the entry in the values of a file.
func (e Entry) in(values map[string]any) error {
	if e.Section != "" {
		values, _ = values[e.Section].(map[string]any)
	}
	if values == nil {
		return fmt.Errorf("there is no section %q", e.Section)
	}
	delete(values, e.Key)
	if e.Text == "" {
		return nil
	}
	root, err := parse([]byte(e.line(0)))
	if err != nil {
		return fmt.Errorf("the value of %s: %w", e.Key, err)
	}
	values[e.Key] = decode(root)[e.Key]
	return nil
}

func (e Entry) line(indent int) string {
	return strings.Repeat(" ", indent) + e.Key + ": " + e.Text + "\n"
}

// byHand returns the error for a file whose layout is not understood.
func byHand(entries []Entry) error {
	message := "its layout is not understood; set these by hand and run this again:"
	for _, e := range entries {
		message += "\n    " + strings.TrimPrefix(e.Section+": ", ": ") + e.Key + ": " + e.Text
	}
	return errors.New(message)
}

// lastPlace is the key in the config that new ones follow. In the file itself, new keys come
// before the config.
const lastPlace = "gcp:region"

// set sets one entry in the text: the value alone if the key is there, else a line.
func set(content string, e Entry) (string, error) {
	mapping, err := parse([]byte(content))
	if err != nil {
		return "", err
	}
	lines, anchor := strings.SplitAfter(content, "\n"), Config
	if e.Section != "" {
		_, mapping = find(mapping, e.Section)
		anchor = lastPlace
	}
	if name, value := find(mapping, e.Key); name != nil {
		return replace(lines, name, value, e)
	}
	if e.Text == "" {
		return content, nil
	}
	key, _ := find(mapping, anchor)
	if key == nil {
		return "", byHand([]Entry{e})
	}
	at := key.Line - 1
	if e.Section != "" {
		at++
	}
	before := strings.Join(lines[:at], "")
	if before != "" && !strings.HasSuffix(before, "\n") {
		before += "\n"
	}
	return before + e.line(key.Column-1) + strings.Join(lines[at:], ""), nil
}

// replace replaces or removes a value that stands on the line of its key or, as Pulumi writes
// secrets, on the lines below. [File.Edit] finds out if it stands otherwise.
func replace(lines []string, key, value *yaml.Node, e Entry) (string, error) {
	at := key.Line - 1
	if e.Text == "" {
		return strings.Join(slices.Delete(lines, at, lastLine(value)), ""), nil
	}
	if same(value, e) {
		return strings.Join(lines, ""), nil
	}
	if value.Line != key.Line {
		lines = slices.Delete(lines, at+1, lastLine(value))
		lines[at] = e.line(key.Column - 1)
		return strings.Join(lines, ""), nil
	}
	start, rest := lines[at][:value.Column-1], lines[at][value.Column-1:]
	old := strings.TrimRight(rest, "\r\n")
	if value.LineComment != "" {
		old, _, _ = strings.Cut(old, value.LineComment)
	}
	old = strings.TrimRight(old, " \t")
	lines[at] = start + e.Text + rest[len(old):]
	return strings.Join(lines, ""), nil
}

// lastLine returns the last line on which a part of the value begins.
func lastLine(value *yaml.Node) int {
	line := value.Line
	for _, part := range value.Content {
		line = max(line, lastLine(part))
	}
	return line
}

// same reports whether the value is that of the entry, however it is written.
func same(value *yaml.Node, e Entry) bool {
	wanted := map[string]any{}
	return Entry{Key: e.Key, Text: e.Text}.in(wanted) == nil && reflect.DeepEqual(decode(&yaml.Node{Kind: yaml.MappingNode, Content: []*yaml.Node{
		{Kind: yaml.ScalarNode, Tag: "!!str", Value: e.Key}, value,
	}}), wanted)
}

// Write replaces the content of the file, unless it has changed since it was read.
func (f *File) Write(content []byte) error {
	now, err := os.ReadFile(f.Path)
	if err == nil && !bytes.Equal(now, f.Content) {
		err = errors.New("it has changed since it was read")
	}
	if err == nil {
		err = wholefile.Write(f.Path, content, 0o644)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", f.Name(), err)
	}
	return nil
}
