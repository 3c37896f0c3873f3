package gcp

import (
	"context"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// Rule describes one kind of object to the cloud.
type Rule struct {
	Kind Kind
	// Name is the form of the names ("Resource names" of each API). IAM bindings have no name at
	// Google: here it consists of resource, role and member.
	Name string
	Noun string // what Compute Engine's messages call it
	// Permissions are those that each call needs; Needs changes them for a call.
	Permissions Verbs
	Needs       func(call Call, all []Need) []Need
	Quota       Quota
	// Consumed: the API has to be enabled in the project of the caller, not of the object.
	Consumed bool
	// Idempotent: creating what exists changes it instead of failing.
	Idempotent bool
	// Check returns what is wrong with a description alone. Parts of it may be missing, because
	// they are not known yet.
	Check func(p Properties) []Violation
	// Admit checks t.New against what else exists and completes its Status.
	Admit func(t *Change) error
	// Release refuses to delete t.Old; objects in use are refused before.
	Release func(t *Change) error
	// Build and Raze apply a change. They run without the lock. Objects that exist only as a
	// description have none.
	Build, Raze work
	// Reserved is the time for which no new object can have the name of a deleted one; it may be
	// forever. During its first part, Revived, the deleted object comes back when its client
	// creates one of this name.
	Reserved, Revived time.Duration
	// Deleted is called when t.Old is gone.
	Deleted func(t *Change)
	// Show completes what a reader gets.
	Show func(v View, o *Object)
}

// work applies a change that was accepted.
type work func(ctx context.Context, t *Change) error

func (w work) run(ctx context.Context, t *Change) error {
	if w == nil {
		return nil
	}
	return w(ctx, t)
}

// Forever is longer than any emulated cloud is used.
const Forever = time.Duration(math.MaxInt64)

// Violation describes one mistake that a description alone shows.
type Violation struct {
	// Property is the path of the property that is wrong.
	Property string
	// Reason is what is wrong, and what is allowed.
	Reason string
}

func (v Violation) err() error {
	return BadRequest("Invalid value for field 'resource.%s': %s", v.Property, v.Reason)
}

// Check returns everything that is wrong with a description alone. Missing parts are no violations.
func (c *Cloud) Check(kind Kind, p Properties) []Violation { return c.rule(kind).violations(p) }

func (r *Rule) violations(p Properties) []Violation {
	if r.Check == nil {
		return nil
	}
	return r.Check(p)
}

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
