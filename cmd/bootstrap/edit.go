package main

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"gopkg.in/yaml.v3"
)

// entry describes a scalar that the file must have.
type entry struct {
	section    string // config, or "" for the file itself
	key, value string
	// quoted keeps YAML from reading a number, which Pulumi does not accept as a string.
	quoted bool
}

func (e entry) text() string {
	if e.quoted {
		return `"` + e.value + `"`
	}
	return e.value
}

// edit sets the entries in the text of the file; YAML's own writer would drop its empty
// lines. It decodes the result and compares it with the intended values.
func edit(content []byte, entries []entry) ([]byte, error) {
	want, err := decode(content)
	if err != nil {
		return nil, err
	}
	text := string(content)
	for _, e := range entries {
		section := want
		if e.section != "" {
			section, _ = want[e.section].(map[string]any)
		}
		if section == nil {
			return nil, fmt.Errorf("there is no section %q", e.section)
		}
		section[e.key] = e.value
		if text, err = set(text, e); err != nil {
			return nil, err
		}
	}
	if got, err := decode([]byte(text)); err != nil || !reflect.DeepEqual(got, want) {
		return nil, byHand(entries)
	}
	return []byte(text), nil
}

// byHand returns the error for a file whose layout is not understood.
func byHand(entries []entry) error {
	message := "its layout is not understood; set these by hand and run this again:"
	for _, e := range entries {
		message += "\n    " + strings.TrimPrefix(e.section+": ", ": ") + e.key + ": " + e.text()
	}
	return errors.New(message)
}

func decode(content []byte) (map[string]any, error) {
	var all map[string]any
	if err := yaml.Unmarshal(content, &all); err != nil {
		return nil, err
	}
	return all, nil
}

// New keys go before firstSection in the file, and after lastPlace in config.
const (
	firstSection = "config"
	lastPlace    = "gcp:region"
)

// set sets one entry in the text: the value alone if the key is there, else a line.
func set(text string, e entry) (string, error) {
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(text), &document); err != nil {
		return "", err
	}
	lines := strings.SplitAfter(text, "\n")
	mapping, anchor := document.Content[0], firstSection
	if e.section != "" {
		_, mapping = find(mapping, e.section)
		anchor = lastPlace
	}
	if _, value := find(mapping, e.key); value != nil {
		if value.Value == e.value && (value.Tag == "!!str" || !e.quoted) {
			return text, nil
		}
		return replace(lines, value, e)
	}
	key, _ := find(mapping, anchor)
	if key == nil {
		return "", byHand([]entry{e})
	}
	line := strings.Repeat(" ", key.Column-1) + e.key + ": " + e.text() + "\n"
	at := key.Line - 1
	if e.section != "" {
		at += 1
	}
	before := strings.Join(lines[:at], "")
	if before != "" && !strings.HasSuffix(before, "\n") {
		before += "\n"
	}
	return before + line + strings.Join(lines[at:], ""), nil
}

// replace replaces a scalar that stands on one line.
func replace(lines []string, value *yaml.Node, e entry) (string, error) {
	old := value.Value
	switch value.Style {
	case yaml.DoubleQuotedStyle:
		old = `"` + old + `"`
	case yaml.SingleQuotedStyle:
		old = `'` + old + `'`
	}
	line := lines[value.Line-1]
	start, end := line[:value.Column-1], line[value.Column-1:]
	if !strings.HasPrefix(end, old) {
		return "", byHand([]entry{e})
	}
	lines[value.Line-1] = start + e.text() + end[len(old):]
	return strings.Join(lines, ""), nil
}

// find returns a key of a mapping and its value, or nothing.
func find(mapping *yaml.Node, key string) (name, value *yaml.Node) {
	if mapping == nil || mapping.Kind != yaml.MappingNode {
		return nil, nil
	}
	for i := 0; i < len(mapping.Content); i += 2 {
		if mapping.Content[i].Value == key {
			return mapping.Content[i], mapping.Content[i+1]
		}
	}
	return nil, nil
}
