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
)

// reader reads keys and collects what is wrong with them, instead of stopping
// at the first.
type reader struct {
	get func(key string) (string, bool)
	// secret says whether the stack keeps the value encrypted.
	secret func(key string) bool
	// given are all keys of the stack, for the search for unknown ones.
	given []string
	// defaults are those of Pulumi.yaml, which get returns for keys that the stack has not.
	defaults map[string]string
	// known are the keys the program asked for.
	known map[string]bool
	// problems are messages by key: one is enough for each.
	problems map[string]string
}

// newReader takes two lookups of single keys, and the JSON object of all of them
// that the engine hands to a program ([pulumi.EnvConfig]): the SDK cannot list keys.
func newReader(get func(string) (string, bool), secret func(string) bool, all string) *reader {
	r := &reader{get: get, secret: secret, known: map[string]bool{}, problems: map[string]string{}}
	var object map[string]string
	if json.Unmarshal([]byte(all), &object) == nil { // absent where no engine is, as in a unit test
		r.given = slices.Collect(maps.Keys(object))
	}
	return r
}

// err joins the problems in the order of their keys.
func (r *reader) err() error {
	var errs []error
	for _, key := range slices.Sorted(maps.Keys(r.problems)) {
		errs = append(errs, errors.New("  "+r.problems[key]))
	}
	return errors.Join(errs...)
}

func (r *reader) report(key, format string, args ...any) {
	if _, reported := r.problems[key]; !reported {
		message := fmt.Sprintf(format, args...)
		if !strings.HasPrefix(message, "[") { // an item of the key's list
			message = " " + message
		}
		r.problems[key] = key + message
	}
}

func (r *reader) refuse(key, value, allowed string) {
	r.report(key, "is %q; it must be %s", value, allowed)
}

// text returns a value that may be empty, and whether there is one.
func (r *reader) text(key string) (string, bool) {
	r.known[key] = true
	value, ok := r.get(key)
	if !ok {
		r.report(key, "is missing; set it with: pulumi config set %s VALUE", key)
	}
	return value, ok
}

func (r *reader) match(key string, pattern *regexp.Regexp, allowed string) string {
	value, ok := r.text(key)
	if ok && !pattern.MatchString(value) {
		r.refuse(key, value, allowed)
	}
	return value
}

func (r *reader) oneOf(key string, allowed ...string) string {
	value, ok := r.text(key)
	if ok && !slices.Contains(allowed, value) {
		r.refuse(key, value, "one of "+strings.Join(allowed, ", "))
	}
	return value
}

func (r *reader) boolean(key string) bool {
	return r.oneOf(key, "true", "false") == "true"
}

func (r *reader) integer(key string, least, most int) int {
	value, ok := r.text(key)
	number, err := strconv.Atoi(value)
	if ok && (err != nil || number < least || number > most) {
		r.refuse(key, value, fmt.Sprintf("a whole number from %d to %d", least, most))
	}
	return number
}

// list reads an array of at least so many texts that all match.
func (r *reader) list(key string, least int, pattern *regexp.Regexp, allowed string) []string {
	value, ok := r.text(key)
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

// objects reads an array of objects with these fields and no others.
func objects[T any](r *reader, key string) []T {
	var items []T
	r.object(key, &items)
	return items
}

// object reads one object with the fields of into and no others.
func (r *reader) object(key string, into any) {
	value, ok := r.text(key)
	if !ok {
		return
	}
	decoder := json.NewDecoder(strings.NewReader(value))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(into); err != nil {
		r.report(key, "cannot be read: %s; Pulumi.yaml says what it holds", strings.TrimPrefix(err.Error(), "json: "))
	}
}

// refuseUnknown reports the program's own keys that nothing asked for, which
// are mostly misspelt ones. It comes last.
func (r *reader) refuseUnknown() {
	for _, key := range r.given {
		if strings.HasPrefix(key, "grpc-edge:") && !r.known[key] {
			r.report(key, "is unknown; Pulumi.yaml lists the keys; remove it with: pulumi config rm %s", key)
		}
	}
}
