package gcp

import "context"

// Verb is the action of a call on an object.
type Verb string

// The verbs of calls.
const (
	VerbCreate Verb = "create"
	VerbGet    Verb = "get"
	VerbUpdate Verb = "update"
	VerbDelete Verb = "delete"
	// VerbUndelete is the verb of a call that restores a deleted object by creating it. Only [Verbs]
	// returns it.
	VerbUndelete Verb = "undelete"
)

// Call describes one call of the provider, with all requests to Google that its client makes for
// it: it waits for the operation, and reads the object at the end.
type Call struct {
	Verb   Verb
	Kind   Kind
	Name   string
	Config Properties
}

// WithCalls sets a function that gets every call before it is checked.
func WithCalls(observe func(Call)) Option {
	return func(c *Cloud) { c.observe = observe }
}

// Read returns the object with this name to the caller, see [As]. If the object
// does not exist, it returns an error for which [IsNotFound] holds.
func (c *Cloud) Read(ctx context.Context, kind Kind, name string) (Object, error) {
	o, err := c.Get(name)
	if judged := c.accept(ctx, Call{VerbGet, kind, name, o.Config}); judged != nil {
		return Object{}, judged
	}
	return o, err
}

// accept checks every call before the rules of its kind do.
func (c *Cloud) accept(ctx context.Context, call Call) error {
	if c.observe != nil {
		c.observe(call)
	}
	if err := c.answer(call); err != nil {
		return err
	}
	return c.Authorize(ctx, call)
}

// known returns the kind and the description of the object with this name, for calls that
// have only the name.
func (c *Cloud) known(name string) (Kind, Properties) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o, ok := c.objects[name]
	if !ok {
		o, ok = c.revivable(name)
	}
	if !ok {
		return "", nil
	}
	return o.Kind, o.Config // nobody writes to a description
}

// NameOf returns the name that an object would get, see [Cloud.Create].
func (c *Cloud) NameOf(kind Kind, at Place, config Properties) (string, error) {
	name, _, err := c.locate(kind, at, config)
	return name, err
}
