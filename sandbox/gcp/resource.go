package gcp

import (
	"context"
	"math"
	"time"
)

// Resource describes a resource type, one kind of object, to the cloud (AIP-123, "Resource
// types").
type Resource struct {
	Kind Kind
	// Name is the form of the names ("Resource names" of each API), with properties in braces. A
	// location that is not given is the region, or the part after the colon. IAM bindings have no
	// name at Google: here it consists of resource, role and member.
	Name string
	Noun string // what Compute Engine's messages call it
	// Permissions are those that each call needs; Needs changes them for a call.
	Permissions Verbs
	Needs       func(call Call, all []Need) []Need
	Quota       Quota
	// Consumed means that the API has to be enabled in the project of the caller, not of the object.
	Consumed bool
	// Idempotent means that creating what exists changes it instead of failing.
	Idempotent bool
	// Check returns what is wrong with a description alone. Parts of it may be missing, because
	// they are not known yet.
	Check func(p Properties) []Violation
	// Admit checks t.New against what else exists and completes its Status.
	Admit func(t *Change) error
	// Release refuses to delete t.Old; objects in use are refused before.
	Release func(t *Change) error
	// Build and Remove apply a change. They run without the lock. Objects that exist only as a
	// description have none.
	Build, Remove work
	// Reserved is the time for which no new object can have the name of a deleted one; it may be
	// forever. During its first part, Revived, readers still get the deleted object, and it comes
	// back when its client creates or changes one of this name, with the permissions for
	// [VerbUndelete].
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
	// Reason says what is wrong, and what is allowed.
	Reason string
}

func (v Violation) err() error {
	return BadRequest("Invalid value for field 'resource.%s': %s", v.Property, v.Reason)
}

// Check returns everything that is wrong with a description alone. Missing parts are no violations.
func (c *Cloud) Check(kind Kind, p Properties) []Violation { return c.resource(kind).violations(p) }

func (r *Resource) violations(p Properties) []Violation {
	if r.Check == nil {
		return nil
	}
	return r.Check(p)
}
