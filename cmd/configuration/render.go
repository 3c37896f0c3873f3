package main

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"gopkg.in/yaml.v3"
)

const preamble = "<!-- Written by `make generate` from Pulumi.yaml, the stacks' files and docs/stack.schema.json. Do not edit. -->\n\n" +
	"# Configuration\n\n" +
	"Every key of the program. Set one with `pulumi config set KEY VALUE`, in the file of a stack as `%s:KEY`; " +
	"besides these the program reads `gcp:project` and `gcp:region`. All keys and values are checked before anything is created, " +
	"and everything that is wrong is reported together. Editors with a YAML language server complete and check the stacks' files by " +
	"[a JSON Schema](stack.schema.json).\n"

func render(p *project, schemas map[string]schema, stacks []stack) []byte {
	var out bytes.Buffer
	fmt.Fprintf(&out, preamble, p.name)
	for _, g := range p.groups {
		fmt.Fprintf(&out, "\n## %s\n\n| key | type | default | what it is |\n|---|---|---|---|\n", g.title)
		for _, k := range g.keys {
			s := schemas[p.full(k.name)]
			fmt.Fprintf(&out, "| `%s` | %s | %s | %s |\n", k.name, s.kind(), value(&k.Default), k.text(s.fields()))
		}
	}
	renderStacks(&out, p, stacks)
	return out.Bytes()
}

// renderStacks shows the keys that any stack sets, side by side. What a stack
// does not set is the default.
func renderStacks(out *bytes.Buffer, p *project, stacks []stack) {
	out.WriteString("\n## The stacks of this repository\n\nKeys that a stack sets; an empty cell is the default.\n\n| key | default |")
	for _, s := range stacks {
		fmt.Fprintf(out, " [%s](../Pulumi.%[1]s.yaml) |", s.name)
	}
	out.WriteString("\n|---|---|" + strings.Repeat("---|", len(stacks)) + "\n")
	defaults := map[string]*yaml.Node{}
	for _, k := range p.keys() {
		defaults[p.full(k.name)] = &k.Default
	}
	for _, name := range setKeys(p, stacks) {
		fmt.Fprintf(out, "| `%s` | %s |", strings.TrimPrefix(name, p.full("")), value(defaults[name]))
		for _, s := range stacks {
			fmt.Fprintf(out, " %s |", value(s.values[name]))
		}
		out.WriteString("\n")
	}
}

// setKeys lists the keys that any stack sets: other programs' first, then in the order
// of their declaration.
func setKeys(p *project, stacks []stack) []string {
	var names []string
	set := map[string]bool{}
	for _, s := range stacks {
		for _, name := range s.keys {
			if !set[name] && !strings.HasPrefix(name, p.full("")) {
				names = append(names, name)
			}
			set[name] = true
		}
	}
	slices.Sort(names)
	for _, k := range p.keys() {
		if name := p.full(k.name); set[name] {
			names = append(names, name)
		}
	}
	return names
}

// text returns the description, with the fields of an object.
func (k key) text(fields []field) string {
	text := cell(k.Description)
	var list []string
	for _, f := range fields {
		list = append(list, fmt.Sprintf("`%s` %s", f.name, f.kind))
	}
	if len(list) > 0 {
		text += "<br>Fields: " + strings.Join(list, ", ") + "."
	}
	return text
}

// value returns a value on one line. It does not show encrypted values, or values longer
// than a line.
func value(node *yaml.Node) string {
	if node == nil || node.IsZero() {
		return ""
	}
	if node.Kind == yaml.MappingNode && len(node.Content) == 2 && node.Content[0].Value == "secure" {
		return "(secret)"
	}
	if node.Kind == yaml.ScalarNode && strings.Contains(node.Value, "\n") {
		return "(text)"
	}
	// A value that cannot be written again would not have been read.
	text, _ := yaml.Marshal(flow(node))
	return "`" + strings.ReplaceAll(strings.TrimSpace(string(text)), "|", `\|`) + "`"
}

// flow returns the node on one line and without comments.
func flow(node *yaml.Node) *yaml.Node {
	plain := &yaml.Node{Kind: node.Kind, Tag: node.Tag, Value: node.Value, Style: node.Style}
	if node.Kind != yaml.ScalarNode {
		plain.Style = yaml.FlowStyle
	}
	for _, part := range node.Content {
		plain.Content = append(plain.Content, flow(part))
	}
	return plain
}

// cell returns text that is valid in a cell of a table.
func cell(text string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(text), " "), "|", `\|`)
}
