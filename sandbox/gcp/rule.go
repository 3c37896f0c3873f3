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

// rule describes one kind of object to the cloud.
type rule struct {
	kind Kind
	// name is the form of the names ("Resource names" of each API). IAM bindings have no name at
	// Google: here it consists of resource, role and member.
	name string
	noun string // what Compute Engine's messages call it
	// permissions are those that each call needs; needs changes them for a call.
	permissions verbs
	needs       func(call Call, all []Need) []Need
	quota       quota
	// consumed: the API has to be enabled in the project of the caller, not of the object.
	consumed bool
	// idempotent: creating what exists changes it instead of failing.
	idempotent bool
	// check returns what is wrong with a description alone. Parts of it may be missing, because
	// they are not known yet.
	check func(p Properties) []Violation
	// admit checks t.new against what else exists and completes its Status.
	admit func(t *change) error
	// release refuses to delete t.old; objects in use are refused before.
	release func(t *change) error
	// build and raze apply a change. They run without the lock. Objects that exist only as a
	// description have none.
	build, raze work
	// reserved is the time for which no new object can have the name of a deleted one; it may be
	// forever. During its first part, revived, the deleted object comes back when its client
	// creates one of this name.
	reserved, revived time.Duration
	// deleted is called when t.old is gone.
	deleted func(t *change)
	// show completes what a reader gets.
	show func(v View, o *Object)
}

// work applies a change that was accepted.
type work func(ctx context.Context, t *change) error

func (w work) run(ctx context.Context, t *change) error {
	if w == nil {
		return nil
	}
	return w(ctx, t)
}

// forever is longer than any emulated cloud is used.
const forever = time.Duration(math.MaxInt64)

// Violation describes one mistake that a description alone shows.
type Violation struct {
	// Property is the path of the property that is wrong.
	Property string
	// Reason is what is wrong, and what is allowed.
	Reason string
}

func (v Violation) err() error {
	return badRequest("Invalid value for field 'resource.%s': %s", v.Property, v.Reason)
}

// Check returns everything that is wrong with a description alone. Missing parts are no violations.
func (c *Cloud) Check(kind Kind, p Properties) []Violation { return c.rule(kind).violations(p) }

func (r *rule) violations(p Properties) []Violation {
	if r.check == nil {
		return nil
	}
	return r.check(p)
}

// checker collects violations.
type checker struct {
	p     Properties
	found []Violation
}

func (c *checker) wrong(property, format string, args ...any) {
	c.found = append(c.found, Violation{property, fmt.Sprintf(format, args...)})
}

// match checks that a string property, if present, matches a pattern.
func (c *checker) match(property string, pattern *regexp.Regexp, rule string) {
	if v := c.p.str(property); v != "" && !pattern.MatchString(v) {
		c.wrong(property, "%q must %s (pattern %s)", v, rule, pattern)
	}
}

// oneOf checks that a string property, if present, is one of some values.
func (c *checker) oneOf(property string, values ...string) {
	if v := c.p.str(property); v != "" && !slices.Contains(values, v) {
		c.wrong(property, "%q is not one of %s", v, strings.Join(values, ", "))
	}
}

// between checks that a number, if present, is in a range.
func (c *checker) between(property string, low, high int) {
	if c.p.has(property) {
		if n := c.p.number(property); n < low || n > high {
			c.wrong(property, "%d is not between %d and %d", n, low, high)
		}
	}
}

// resourceName matches the names that Compute Engine accepts ("Naming resources", Compute Engine).
var resourceName = regexp.MustCompile(`^[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?$`)

func (c *checker) name() {
	c.match("name", resourceName, "be 1-63 characters: a lowercase letter, then lowercase letters, digits and hyphens, not a hyphen at the end")
}

// length checks that a text has at most so many characters.
func (c *checker) length(property string, most int) {
	if n := utf8.RuneCountInString(c.p.str(property)); n > most {
		c.wrong(property, "%d characters are more than %d", n, most)
	}
}

// bytes checks that a text has at most so many bytes in UTF-8.
func (c *checker) bytes(property string, most int) {
	if n := len(c.p.str(property)); n > most {
		c.wrong(property, "%d bytes are more than %d", n, most)
	}
}
