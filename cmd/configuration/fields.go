package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"slices"
)

// field describes a field of an object.
type field struct{ name, kind string }

// schema holds the part of docs/stack.schema.json about a value, with JSON Schema's keywords.
type schema struct {
	Type       any               `json:"type"` // a type, or a list of types with the plainest first
	Items      *schema           `json:"items"`
	Properties map[string]schema `json:"properties"`
	AnyOf      []schema          `json:"anyOf"`
}

// readSchemas returns the schema of each key, by its name in the file of a stack. The
// program's own reader of keys wrote them, so they match how a key is read.
func readSchemas(path string) (map[string]schema, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("reading what keys hold (`make generate` writes it): %w", err)
	}
	var file schema
	if err := json.Unmarshal(content, &file); err != nil {
		return nil, fmt.Errorf("reading %s: %w", path, err)
	}
	return file.Properties["config"].Properties, nil
}

// kind names the type in a table.
func (s schema) kind() string {
	if len(s.AnyOf) > 0 {
		return s.AnyOf[0].kind()
	}
	if s.Items != nil {
		return "list of " + s.Items.kind()
	}
	if types, ok := s.Type.([]any); ok && len(types) > 0 {
		return fmt.Sprint(types[0])
	}
	if s.Type == nil {
		return "any"
	}
	return fmt.Sprint(s.Type)
}

// fields lists what the object, or each object in the list, may hold, by name.
func (s schema) fields() []field {
	if s.Items != nil {
		s = *s.Items
	}
	var list []field
	for _, name := range slices.Sorted(maps.Keys(s.Properties)) {
		list = append(list, field{name, s.Properties[name].kind()})
	}
	return list
}
