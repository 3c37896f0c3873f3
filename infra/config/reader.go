package config

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"example.com/grpc-edge/infra/config/declared"
	"example.com/grpc-edge/services/catalog/decode"
)

// reader reads the keys of a stack, and collects everything that is wrong with them
// instead of stopping at the first problem.
//
// To add a key, declare it in Pulumi.yaml with a default and a description, and without a
// type: Pulumi would report wrong types one at a time, before the program can report
// anything (ValidateStackConfigAndApplyProjectConfig of the CLI). Then read it with one of
// the methods below. Each checks the type and the value, and describes both for
// docs/stack.schema.json:
//
//   - text, match and oneOf read text: any, of a pattern, one of some words;
//   - boolean, integer and seconds read values of these types;
//   - list reads a list of texts of a pattern;
//   - object and [objects] read an object and a list of objects into a struct (or a map),
//     whose JSON tags are the allowed fields, at any depth. They report each
//     unknown field and each field of a wrong type.
//
// Use report or refuse for other problems. At the end run `make configuration`.
type reader struct {
	get func(key string) (string, bool)
	// secret reports whether the stack keeps the value encrypted.
	secret func(key string) bool
	// root is the folder of Pulumi.yaml.
	root string
	// given lists all keys of the stack, for finding unknown ones.
	given []string
	// defaults holds the defaults of Pulumi.yaml, which get returns for keys that the stack lacks.
	defaults map[string]string
	// providers lists the keys of each provider's namespace.
	providers map[string][]string
	// known describes the keys that the program asked for.
	known map[string]*Schema
	// problems holds messages by the path of a value, such as grpc-edge:rules[0].clients.
	problems map[string]string
	// warnings holds messages about values that are accepted.
	warnings []string
}

// newReader returns a reader. It takes two lookups of single keys, and the JSON object of
// all keys that the engine passes to a program ([pulumi.EnvConfig]), as the SDK cannot list
// them.
func newReader(get func(string) (string, bool), secret func(string) bool, all string) *reader {
	r := &reader{get: get, secret: secret, known: map[string]*Schema{}, problems: map[string]string{}}
	var object map[string]string
	if json.Unmarshal([]byte(all), &object) == nil { // not set without an engine, as in a unit test
		r.given = slices.Collect(maps.Keys(object))
	}
	return r
}

// err joins the problems in the order of their keys.
func (r *reader) err() error {
	var errs []error
	for _, path := range slices.Sorted(maps.Keys(r.problems)) {
		errs = append(errs, errors.New("  "+r.problems[path]))
	}
	return errors.Join(errs...)
}

// report records a problem of a key. A message that begins with [ or . is about a part of
// the value, such as "[0].clients is …". Each part has at most one message, which also
// covers the parts within it.
func (r *reader) report(key, format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	path := key
	if strings.HasPrefix(message, "[") || strings.HasPrefix(message, ".") {
		part, _, _ := strings.Cut(message, " ")
		path += part
		message = strings.TrimPrefix(message, part+" ")
	}
	if !r.wrong(path) {
		r.problems[path] = path + " " + message
	}
}

// wrong reports whether the value, a value that contains it, or a part of it has a problem.
func (r *reader) wrong(path string) bool {
	for other := range r.problems {
		if within(path, other) || within(other, path) {
			return true
		}
	}
	return false
}

// within reports whether part is the path, or one below it.
func within(part, path string) bool {
	rest, ok := strings.CutPrefix(part, path)
	return ok && (rest == "" || rest[0] == '.' || rest[0] == '[')
}

func (r *reader) refuse(key, value, allowed string) {
	r.report(key, "is %q; it must be %s", value, allowed)
}

// value returns the value of a key as Pulumi passes it: lists and objects as JSON.
func (r *reader) value(key string, schema *Schema) (string, bool) {
	if r.known[key] == nil {
		r.known[key] = schema
	}
	value, ok := r.get(key)
	if !ok {
		r.report(key, "is missing; set it in the file of the stack, Pulumi.STACK.yaml")
	}
	return value, ok
}

// text returns a value that may be empty, and whether the key has one.
func (r *reader) text(key string) (string, bool) {
	return r.textOf(key, &Schema{Type: "string"}, "text")
}

// textOf returns a text, and reports a list or an object in its place.
func (r *reader) textOf(key string, schema *Schema, allowed string) (string, bool) {
	value, ok := r.value(key, schema)
	var list []any
	var object map[string]any
	if json.Unmarshal([]byte(value), &list) == nil && list != nil || json.Unmarshal([]byte(value), &object) == nil && object != nil {
		r.refuse(key, value, allowed)
		return "", false
	}
	return value, ok
}

func (r *reader) match(key string, pattern *regexp.Regexp, allowed string) string {
	value, ok := r.textOf(key, &Schema{Type: "string", Pattern: pattern.String()}, allowed)
	if ok && !pattern.MatchString(value) {
		r.refuse(key, value, allowed)
	}
	return value
}

func (r *reader) oneOf(key string, allowed ...string) string {
	schema := &Schema{Type: "string"}
	for _, word := range allowed {
		schema.Enum = append(schema.Enum, word)
	}
	return r.choice(key, schema, allowed)
}

func (r *reader) choice(key string, schema *Schema, allowed []string) string {
	value, ok := r.value(key, schema)
	if ok && !slices.Contains(allowed, value) {
		r.refuse(key, value, "one of "+strings.Join(allowed, ", ")+decode.DidYouMean(value, allowed))
	}
	return value
}

func (r *reader) boolean(key string) bool {
	return r.choice(key, &Schema{Type: "boolean"}, []string{"true", "false"}) == "true"
}

func (r *reader) integer(key string, least, most int) int {
	value, ok := r.value(key, &Schema{Type: "integer", Minimum: &least, Maximum: &most})
	number, err := strconv.Atoi(value)
	if ok && (err != nil || number < least || number > most) {
		r.refuse(key, value, fmt.Sprintf("a whole number from %d to %d", least, most))
	}
	return number
}

// seconds reads a whole number of seconds.
func (r *reader) seconds(key string, least, most int) time.Duration {
	return time.Duration(r.integer(key, least, most)) * time.Second
}

// list reads an array of at least least texts that all match the pattern.
func (r *reader) list(key string, least int, pattern *regexp.Regexp, allowed string) []string {
	value, ok := r.value(key, &Schema{Type: "array", MinItems: least, Items: &Schema{Type: "string", Pattern: pattern.String()}})
	if !ok {
		return nil
	}
	var items []string
	wrong := json.Unmarshal([]byte(value), &items) != nil || len(items) < least
	for _, item := range items {
		wrong = wrong || !pattern.MatchString(item)
	}
	if wrong {
		r.refuse(key, value, allowed)
	}
	return items
}

// objects reads an array of objects with the fields of T and no others.
func objects[T any](r *reader, key string) []T {
	var items []T
	r.object(key, &items)
	return items
}

// object reads one object with the fields of into, which is a pointer, and no others.
func (r *reader) object(key string, into any) {
	value, ok := r.value(key, schemaOf(into))
	if !ok {
		return
	}
	var list any
	decoder := json.NewDecoder(strings.NewReader(value))
	decoder.UseNumber()
	if err := decoder.Decode(&list); err != nil {
		list = value // plain text instead of a list or an object
	}
	decode.Value(key, list, into, func(path, message string) { r.report(path, "%s", message) })
}

// refuseUnknown reports keys that nothing reads. Most of them are misspelt. It runs last, when
// all keys are known.
func (r *reader) refuseUnknown() {
	names := maps.Clone(r.providers)
	if names == nil {
		names = map[string][]string{}
	}
	for key := range r.known {
		namespace, name, _ := strings.Cut(key, ":")
		names[namespace] = append(slices.Clone(names[namespace]), name)
	}
	for _, key := range r.given {
		namespace, name, _ := strings.Cut(key, ":")
		meant := namespace
		if _, ours := names[namespace]; !ours {
			meant = namespaceMeant(namespace, name, names)
		}
		if meant == "" || slices.Contains(names[namespace], name) {
			continue
		}
		advice := "docs/configuration.md lists the keys. Remove it from the file of the stack"
		if best := decode.Nearest(name, names[meant]); best != "" {
			advice = fmt.Sprintf("did you mean %s:%s? Rename it in the file of the stack, or remove it", meant, best)
		}
		r.report(key, "is unknown; %s", advice)
	}
}

// namespaceMeant returns the namespace that a key of an unknown namespace is likely meant
// for. It is one that is spelt nearly the same, or the program's own if it has a key of
// that name. Otherwise it returns "", as an environment may set keys for several programs.
func namespaceMeant(namespace, name string, names map[string][]string) string {
	if namespace == "pulumi" { // the engine's own
		return ""
	}
	if best := decode.Nearest(namespace, slices.Collect(maps.Keys(names))); best != "" {
		return best
	}
	if slices.Contains(names[declared.Namespace], name) {
		return declared.Namespace
	}
	return ""
}
