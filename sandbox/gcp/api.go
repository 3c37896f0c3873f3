package gcp

import "context"

// API is one of Google's APIs, or several that belong together.
type API struct {
	// Titles maps services to their names in messages. A service that has none here need not
	// be enabled.
	Titles map[string]string
	// Kinds are the kinds of object that the API has.
	Kinds []*Resource
	// Granted reports whether an identity has a permission. One API answers for all.
	Granted func(v View, identity string, n Need) bool
	// Resume restarts what the objects in the state describe.
	Resume func(ctx context.Context, c *Cloud) error
}

func kindsOf(apis []API) map[Kind]*Resource {
	kinds := map[Kind]*Resource{}
	for _, api := range apis {
		for _, resource := range api.Kinds {
			kinds[resource.Kind] = resource
		}
	}
	return kinds
}

// resource returns the resource type of a kind; an empty one if the kind is unknown.
func (c *Cloud) resource(kind Kind) *Resource {
	if known, ok := c.kinds[kind]; ok {
		return known
	}
	return &Resource{}
}

// title returns the name of a service in messages, or "".
func (c *Cloud) title(service string) string {
	for _, api := range c.apis {
		if title, ok := api.Titles[service]; ok {
			return title
		}
	}
	return ""
}
