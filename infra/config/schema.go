package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"example.com/grpc-edge/infra/config/declared"
	"example.com/grpc-edge/services/catalog/decode"
)

// Schema describes the allowed values of a key in JSON Schema (draft 7), which editors
// read. The methods of the reader create it, so it follows from how a key is read.
type Schema struct {
	// Type is one type or a list of types.
	Type        any    `json:"type,omitempty"`
	Description string `json:"description,omitempty"`
	// Default is the default of Pulumi.yaml, as its YAML value.
	Default              any                `json:"default,omitempty"`
	Pattern              string             `json:"pattern,omitempty"`
	Format               string             `json:"format,omitempty"`
	Enum                 []any              `json:"enum,omitempty"`
	Minimum              *int               `json:"minimum,omitempty"`
	Maximum              *int               `json:"maximum,omitempty"`
	MinItems             int                `json:"minItems,omitempty"`
	Items                *Schema            `json:"items,omitempty"`
	Properties           map[string]*Schema `json:"properties,omitempty"`
	AdditionalProperties any                `json:"additionalProperties,omitempty"` // false, or the *Schema of further ones
	PatternProperties    map[string]*Schema `json:"patternProperties,omitempty"`
	AnyOf                []*Schema          `json:"anyOf,omitempty"`
}

// schemaOf returns the schema of the values that decode accepts for a pointer.
func schemaOf(into any) *Schema { return typeSchema(reflect.TypeOf(into).Elem()) }

func typeSchema(t reflect.Type) *Schema {
	switch t.Kind() {
	case reflect.Pointer:
		return typeSchema(t.Elem())
	case reflect.Slice:
		return &Schema{Type: "array", Items: typeSchema(t.Elem())}
	case reflect.Map:
		return &Schema{Type: "object", AdditionalProperties: typeSchema(t.Elem())}
	case reflect.Bool:
		return &Schema{Type: "boolean"}
	case reflect.Int, reflect.Int32, reflect.Int64:
		return &Schema{Type: "integer"}
	case reflect.Uint, reflect.Uint32, reflect.Uint64:
		return &Schema{Type: "integer", Minimum: new(int)}
	case reflect.Float32, reflect.Float64:
		return &Schema{Type: "number"}
	case reflect.String:
		return &Schema{Type: "string"}
	case reflect.Struct:
		if decode.IsTime(t) {
			return &Schema{Type: "string", Format: "date-time"}
		}
		s := &Schema{Type: "object", Properties: map[string]*Schema{}, AdditionalProperties: false}
		names, fields := decode.Fields(t)
		for i, name := range names {
			s.Properties[name] = typeSchema(fields[i].Type)
		}
		return s
	}
	return &Schema{} // anything
}

// StackSchema returns the JSON Schema of the file of a stack, Pulumi.STACK.yaml. It
// combines the declarations of Pulumi.yaml in the folder root with how the program reads
// the keys. Editors complete and check keys with it. The program itself checks more.
func StackSchema(root string) ([]byte, error) {
	keys, err := declared.Keys(root)
	if err != nil {
		return nil, err
	}
	defaults, err := declared.Defaults(root)
	if err != nil {
		return nil, err
	}
	r := newReader(func(key string) (string, bool) { value, ok := defaults[key]; return value, ok },
		func(string) bool { return false }, "")
	r.defaults = defaults
	r.read()
	properties := map[string]*Schema{}
	for name, schema := range r.known {
		properties[name] = written(schema)
		properties[name].Description = strings.Join(strings.Fields(keys[name].Description), " ")
		properties[name].Default = keys[name].Default
		if strings.HasPrefix(name, declared.Namespace+":") && keys[name].Description == "" {
			return nil, fmt.Errorf("%s is read, but Pulumi.yaml does not declare it with a description", name)
		}
	}
	file := map[string]any{
		"$schema": "http://json-schema.org/draft-07/schema#",
		"title":   "Stack of " + declared.Namespace,
		"type":    "object",
		"properties": map[string]any{"config": map[string]any{
			"type": "object", "properties": properties, "additionalProperties": false,
			// Keys of the providers and of the engine.
			"patternProperties": map[string]any{"^(gcp|kubernetes|tls|pulumi):": map[string]any{}},
		}},
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	encoder.SetIndent("", "  ")
	err = encoder.Encode(file)
	return out.Bytes(), err
}

// written returns the schema of a value as it is written in the file of a stack: `pulumi
// config set` writes numbers and booleans as texts, and a secret text as an object.
func written(s *Schema) *Schema {
	w := *s
	switch s.Type {
	case "integer":
		w.Type, w.Pattern = []string{"integer", "string"}, "^[0-9]+$"
	case "boolean":
		w.Type, w.Enum = []string{"boolean", "string"}, []any{true, false, "true", "false"}
	case "string":
		if s.Enum == nil {
			return &Schema{AnyOf: []*Schema{s, {Type: "object", Properties: map[string]*Schema{"secure": {Type: "string"}}, AdditionalProperties: false}}}
		}
	}
	return &w
}
