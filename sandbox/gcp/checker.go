package gcp

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode/utf8"
)

// Checker collects in Found what is wrong with the properties P.
type Checker struct {
	P     Properties
	Found []Violation
}

// Wrong adds a violation.
func (c *Checker) Wrong(property, format string, args ...any) {
	c.Found = append(c.Found, Violation{property, fmt.Sprintf(format, args...)})
}

// Match checks that a string property, if present, matches a pattern.
func (c *Checker) Match(property string, pattern *regexp.Regexp, rule string) {
	if v := c.P.Text(property); v != "" && !pattern.MatchString(v) {
		c.Wrong(property, "%q must %s (pattern %s)", v, rule, pattern)
	}
}

// OneOf checks that a string property, if present, is one of some values.
func (c *Checker) OneOf(property string, values ...string) {
	if v := c.P.Text(property); v != "" && !slices.Contains(values, v) {
		c.Wrong(property, "%q is not one of %s", v, strings.Join(values, ", "))
	}
}

// NotEmulated refuses properties that no stack sets, so that nobody assumes that they are tested.
func (c *Checker) NotEmulated(properties ...string) {
	for _, property := range properties {
		if c.P.Has(property) {
			c.Wrong(property, "is not emulated: no stack sets it")
		}
	}
}

// OnlyEmulated refuses the values of a string property that no stack has.
func (c *Checker) OnlyEmulated(property string, values ...string) {
	if v := c.P.Text(property); v != "" && !slices.Contains(values, v) {
		c.Wrong(property, "%q is not emulated: stacks have %s only", v, strings.Join(values, " or "))
	}
}

// Between checks that a number, if present, is in a range.
func (c *Checker) Between(property string, low, high int) {
	if c.P.Has(property) {
		if n := c.P.Int(property); n < low || n > high {
			c.Wrong(property, "%d is not between %d and %d", n, low, high)
		}
	}
}

// ResourceName matches the names that Compute Engine accepts ("Naming resources", Compute Engine).
var ResourceName = regexp.MustCompile(`^[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?$`)

// Name checks the property name, if present, as Compute Engine does.
func (c *Checker) Name() {
	c.Match("name", ResourceName, "be 1-63 characters: a lowercase letter, then lowercase letters, digits and hyphens, not a hyphen at the end")
}

// Length checks that a text has at most so many characters.
func (c *Checker) Length(property string, most int) {
	if n := utf8.RuneCountInString(c.P.Text(property)); n > most {
		c.Wrong(property, "%d characters are more than %d", n, most)
	}
}

// Bytes checks that a text has at most so many bytes in UTF-8.
func (c *Checker) Bytes(property string, most int) {
	if n := len(c.P.Text(property)); n > most {
		c.Wrong(property, "%d bytes are more than %d", n, most)
	}
}
