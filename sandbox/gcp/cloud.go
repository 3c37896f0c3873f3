// Package gcp emulates what Google's APIs have in common: the state of projects on disk, calls and
// who may make them, operations that take time, quotas, faults. Each folder beside it emulates an
// API.
//
// Objects are described in the terms of Pulumi's `gcp` provider, because it is
// the only client. Each rule names the page of Google's documentation it comes
// from, and each error reads as Google's own.
//
// A further API is a folder whose function API returns its kinds, each a [Resource] with the form of
// its names, its permissions and what it refuses, and one line in package apis. It imports this
// package, and another API only for that API's own rules, such as whether a key may be used.
// Pulumi's name for the resource is a line in the tables of package gcpprovider.
package gcp

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Cloud is the emulated Google Cloud. Its methods may be called concurrently.
type Cloud struct {
	dir           string
	apis          []API
	kinds         map[Kind]*Resource
	operationTime time.Duration
	now           func() time.Time
	observe       func(Call) // may be nil
	propagation   time.Duration

	mu      sync.Mutex
	objects map[string]*Object   // by name
	deleted map[string]time.Time // when, by names that cannot be used again yet
	buried  map[string]*Object   // the last of that name, of kinds that come back
	tokens  map[string]accessToken
	queues  map[string]chan struct{} // one operation at a time, see queue
}

// Option changes a Cloud.
type Option func(*Cloud)

// WithOperationTime sets how long an operation takes besides its real work.
// The default is 300 ms: long enough to be seen in progress, short enough to wait for.
func WithOperationTime(d time.Duration) Option {
	return func(c *Cloud) { c.operationTime = d }
}

// WithPropagation sets how long an API still refuses calls after it was enabled. In a new
// project at Google, that is some minutes. The default is 0.
func WithPropagation(d time.Duration) Option {
	return func(c *Cloud) { c.propagation = d }
}

// WithClock sets the clock that timestamps and the expiry of tokens are read from.
func WithClock(now func() time.Time) Option {
	return func(c *Cloud) { c.now = now }
}

// Open loads the cloud kept in dir, which is created (mode 0700) if it is missing. It has the
// APIs that it is given. Nothing is started: see [Cloud.Resume].
func Open(dir string, apis []API, options ...Option) (*Cloud, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("creating the emulated cloud's folder: %w", err)
	}
	c := &Cloud{
		dir: dir, apis: apis, kinds: kindsOf(apis), operationTime: 300 * time.Millisecond, now: time.Now,
		objects: map[string]*Object{}, deleted: map[string]time.Time{}, buried: map[string]*Object{}, tokens: map[string]accessToken{}, queues: map[string]chan struct{}{},
	}
	for _, option := range options {
		option(c)
	}
	if err := c.load(); err != nil {
		return nil, err
	}
	return c, nil
}

// Objects returns the full resource names of everything that exists, sorted.
// Enabled APIs are not objects: a project keeps them, as Google does, unless
// asked otherwise.
func (c *Cloud) Objects() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var names []string
	for _, o := range c.objects {
		if o.Kind != KindService {
			names = append(names, o.FullName())
		}
	}
	slices.Sort(names)
	return names
}

// Get returns the object with this name, or an error for which [IsNotFound] holds. It also
// returns one that was deleted and can come back, see [Resource].
func (c *Cloud) Get(name string) (Object, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	o, ok := c.objects[name]
	if !ok {
		o, ok = c.revivable(name)
	}
	if !ok {
		return Object{}, NotFound(name)
	}
	found := o.copy()
	if show := c.resource(o.Kind).Show; show != nil {
		show(View{c}, &found)
	}
	return found, nil
}

// Resume restarts what the state says exists. Call it after Open, when the machine
// runs none of it. Everything is tried; all errors are returned.
func (c *Cloud) Resume(ctx context.Context) error {
	var errs []error
	for _, api := range c.apis {
		if api.Resume != nil {
			errs = append(errs, api.Resume(ctx, c))
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	return errors.Join(append(errs, c.save())...)
}

// Path returns the path of a file or folder that an API keeps beside the state.
func (c *Cloud) Path(parts ...string) string {
	return filepath.Join(append([]string{c.dir}, parts...)...)
}

// IsNotFound reports whether an error means that an object does not exist.
func IsNotFound(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Code == 404
}
