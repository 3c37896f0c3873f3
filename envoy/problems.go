package envoy

import (
	"errors"
	"strings"
)

// Problem describes one thing that is wrong with a [Config].
type Problem struct {
	// Field is the wrong field, such as Rules[0].Service; empty if it is unknown.
	Field string
	// Message says what is wrong and what the field must be.
	Message string
}

// Problems lists everything that is wrong with a configuration. It is empty if [Files]
// succeeds.
func Problems(config Config) []Problem {
	if err := config.withDefaults().validate(); err != nil {
		return problems(err)
	}
	if _, err := Files(config); err != nil {
		return []Problem{{Message: err.Error()}}
	}
	return nil
}

// problems splits the error that validate joins: each part begins with its field.
func problems(err error) []Problem {
	var several interface{ Unwrap() []error }
	if !errors.As(err, &several) {
		field, message, _ := strings.Cut(err.Error(), ": ")
		return []Problem{{Field: field, Message: message}}
	}
	var list []Problem
	for _, part := range several.Unwrap() {
		list = append(list, problems(part)...)
	}
	return list
}
