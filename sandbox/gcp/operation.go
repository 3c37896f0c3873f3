package gcp

import (
	"context"
	"strings"
	"time"
)

// Create creates an object of a kind. If config leaves out the project, region or zone, it comes
// from at. The object is complete when Create returns; if Create fails, nothing is left of the
// object. An operation that was accepted goes on when ctx ends.
func (c *Cloud) Create(ctx context.Context, kind Kind, at Place, config Properties) (Object, error) {
	resource := c.resource(kind)
	name, place, err := c.locate(kind, at, config)
	if err != nil {
		return Object{}, err
	}
	if _, err := c.Get(name); err == nil && resource.Idempotent {
		return c.Update(ctx, name, at, config)
	}
	call := Call{VerbCreate, kind, name, config}
	if err := c.accept(ctx, call); err != nil {
		return Object{}, err
	}
	o := &Object{Kind: kind, Name: name, Config: config.Clone(), Status: place, busy: true}
	t := &Change{View: View{c}, at: at, New: o}
	err = c.operate(ctx, operation{
		call: call, queue: queue(name),
		begin: func() error {
			if err := t.admit(resource); err != nil {
				return err
			}
			c.objects[name] = o
			return nil
		},
		work: func(ctx context.Context) error { return resource.Build.run(ctx, t) },
		end:  func() { o.busy, o.exists = false, true; delete(c.deleted, name); delete(c.buried, name) },
		undo: func() { delete(c.objects, name) },
	})
	if err != nil {
		return Object{}, err
	}
	return c.Get(name)
}

// Update changes the object with this name to match config. Values that Google assigned stay,
// unless config sets others. A deleted object comes back, see [Resource].
func (c *Cloud) Update(ctx context.Context, name string, at Place, config Properties) (Object, error) {
	kind, _ := c.known(name)
	if c.revives(name) {
		return c.Create(ctx, kind, at, config)
	}
	call := Call{VerbUpdate, kind, name, config}
	if err := c.accept(ctx, call); err != nil {
		return Object{}, err
	}
	t := &Change{View: View{c}, at: at}
	err := c.operate(ctx, operation{
		call: call, queue: queue(name),
		begin: func() error {
			old, err := t.existing(name)
			if err != nil {
				return err
			}
			next := old.copy()
			next.Config = config.Clone()
			t.Old, t.New = old, &next
			if err := t.admit(c.resource(old.Kind)); err != nil {
				return err
			}
			old.busy = true
			return nil
		},
		work: func(ctx context.Context) error { return c.resource(t.New.Kind).Build.run(ctx, t) },
		end:  func() { t.New.busy = false; c.objects[name] = t.New },
		undo: func() { t.Old.busy = false },
	})
	if err != nil {
		return Object{}, err
	}
	return c.Get(name)
}

// Delete removes the object with this name and everything inside it.
func (c *Cloud) Delete(ctx context.Context, name string) error {
	kind, config := c.known(name)
	call := Call{VerbDelete, kind, name, config}
	if err := c.accept(ctx, call); err != nil {
		return err
	}
	t := &Change{View: View{c}}
	var all []*Object
	return c.operate(ctx, operation{
		call: call, queue: queue(name),
		begin: func() (err error) {
			if o, ok := c.revivable(name); ok {
				return failedPrecondition("You can't delete %s_id (%s) as it is already deleted.", c.resource(o.Kind).Noun, name)
			}
			if t.Old, err = t.existing(name); err != nil {
				return err
			}
			all = append(c.inside(name), t.Old)
			if err := t.release(all); err != nil {
				return err
			}
			for _, o := range all {
				o.busy = true
			}
			return nil
		},
		work: func(ctx context.Context) error { return c.resource(t.Old.Kind).Remove.run(ctx, t) },
		end: func() {
			for _, o := range all {
				c.bury(o)
			}
			if after := c.resource(t.Old.Kind).Deleted; after != nil {
				after(t)
			}
		},
		undo: func() {
			for _, o := range all {
				o.busy = false
			}
		},
	})
}

// bury removes an object, and keeps its name if the kind reserves names. c.mu must be held.
func (c *Cloud) bury(o *Object) {
	delete(c.objects, o.Name)
	resource := c.resource(o.Kind)
	if resource.Reserved > 0 {
		c.deleted[o.Name] = c.now()
	}
	if resource.Revived > 0 {
		gone := o.copy()
		gone.busy, gone.Status["deleted"] = false, true
		c.buried[o.Name] = &gone
	}
}

// operation describes the steps of a change. All but work run with c.mu held.
type operation struct {
	call  Call
	queue string                      // operations of one queue run one after another
	begin func() error                // checks, and reserves what is needed
	work  func(context.Context) error // takes time, and makes it real
	end   func()
	undo  func()
}

// operate returns when the operation has ended. Once accepted, it does not depend on
// who asked for it: they may only stop waiting (AIP-151, "Long-running operations").
func (c *Cloud) operate(ctx context.Context, op operation) error {
	leave, err := c.enter(ctx, op.queue)
	if err != nil {
		return err
	}
	defer leave()
	c.mu.Lock()
	err = op.begin()
	c.mu.Unlock()
	if err != nil {
		return err
	}
	err = c.perform(context.WithoutCancel(ctx), op)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err != nil {
		op.undo()
		return err
	}
	op.end()
	return c.save()
}

// perform runs an operation that was accepted. All operations pass here: a
// fault makes one slow, or fail at its end, see [Fault].
func (c *Cloud) perform(ctx context.Context, op operation) error {
	longer, failure := c.outcome(op.call)
	time.Sleep(c.operationTime + longer)
	if failure != nil {
		return failure
	}
	return op.work(ctx)
}

// enter waits until no other operation of the queue is under way. Google
// refuses the second operation on a cluster instead, and its clients wait and
// try again, to the same effect.
func (c *Cloud) enter(ctx context.Context, name string) (leave func(), err error) {
	c.mu.Lock()
	q, ok := c.queues[name]
	if !ok {
		q = make(chan struct{}, 1)
		c.queues[name] = q
	}
	c.mu.Unlock()
	if ctx.Err() != nil {
		return nil, context.Cause(ctx)
	}
	select {
	case q <- struct{}{}:
		return func() { <-q }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// queue returns the name of the queue for operations on an object. A cluster's node pools are
// changed one at a time, and not together with the cluster.
func queue(name string) string {
	cluster, _, _ := strings.Cut(name, "/nodePools/")
	return cluster
}
