package envoy

import (
	"cmp"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"example.com/grpc-edge/envoy/rest"
)

// restPath is a path of REST: all bindings whose templates match the same.
type restPath struct {
	rest.Shape
	bindings []rest.Binding
	// verbs lists its methods of HTTP, with HEAD where GET is.
	verbs []string
	// prefix begins all its paths, and pattern is a regular expression for them without a query.
	prefix, pattern string
}

// restPaths holds the paths of all services.
type restPaths struct {
	all []*restPath // the narrower first
	// customVerbs is a regular expression for paths that end in one, with or without a query; empty
	// if there are none.
	customVerbs string
}

func pathsOf(c Config) restPaths {
	byShape, verbs := map[string]*restPath{}, map[string]bool{}
	for _, service := range restServices(c) {
		for _, binding := range rest.ServiceBindings(service) {
			shape := binding.Shape()
			path := byShape[shape.String()]
			if path == nil {
				prefix, _, _ := strings.Cut(binding.Pattern(), "*")
				path = &restPath{Shape: shape, prefix: prefix, pattern: pathPattern(binding)}
				byShape[shape.String()] = path
			}
			path.bindings = append(path.bindings, binding)
			path.verbs = append(path.verbs, verbsOf(binding)...)
			if shape.CustomVerb != "" {
				verbs[regexp.QuoteMeta(shape.CustomVerb)] = true
			}
		}
	}
	paths := restPaths{all: slices.SortedFunc(maps.Values(byShape), func(a, b *restPath) int { return a.Compare(b.Shape) })}
	if len(verbs) > 0 {
		paths.customVerbs = `[^?]*:(` + strings.Join(slices.Sorted(maps.Keys(verbs)), "|") + `)(\?.*)?`
	}
	return paths
}

// at returns the paths that a path with this prefix may be, and those that begin further below.
func (p restPaths) at(prefix string) (near, below []*restPath) {
	for _, path := range p.all {
		switch {
		case strings.HasPrefix(prefix, path.prefix):
			near = append(near, path)
		case strings.HasPrefix(path.prefix, prefix):
			below = append(below, path)
		}
	}
	return near, below
}

// are matches requests of a path with a query that matches a regular expression; empty is for any or
// none. The transcoder takes a last part such as ":disable" for a custom verb if any template has
// it, and then looks only for templates with it, and for those of all methods.
func (p restPaths) are(path *restPath, query string) *predicate {
	match := is(header(":path"), matching(path.pattern+cmp.Or(query, anyQuery)))
	if !p.excludesVerbs(path) {
		return match
	}
	return and(match, fails(is(header(":path"), matching(p.customVerbs))))
}

const anyQuery = `(\?.*)?`

// anyPath returns a regular expression for paths that match one of these, with or without a query.
func anyPath(patterns []string) string { return "(" + strings.Join(patterns, "|") + ")" + anyQuery }

// excludesVerbs reports whether the pattern of a path also matches paths with a custom verb, which are
// not of this path.
func (p restPaths) excludesVerbs(path *restPath) bool {
	return p.customVerbs != "" && path.Open() && !slices.Contains(path.verbs, "*")
}

// accept matches requests of these paths by a method that they have.
func (p restPaths) accept(paths []*restPath) *predicate {
	closed, open := map[string][]string{}, map[string][]string{} // patterns by method
	for _, path := range paths {
		for _, verb := range path.verbs {
			if p.excludesVerbs(path) {
				open[verb] = append(open[verb], path.pattern)
			} else {
				closed[verb] = append(closed[verb], path.pattern)
			}
		}
	}
	var list []*predicate
	add := func(patterns map[string][]string, more ...*predicate) {
		for _, verb := range slices.Sorted(maps.Keys(patterns)) {
			path := is(header(":path"), matching(anyPath(patterns[verb])))
			list = append(list, and(append([]*predicate{is(header(":method"), matching(anyVerb([]string{verb}))), path}, more...)...))
		}
	}
	add(closed)
	add(open, fails(is(header(":path"), matching(p.customVerbs))))
	return or(list...)
}

// files holds regular expressions for the paths that take a body of any content type, and for those
// among them that do not, because they are narrower or have a custom verb.
type files struct{ take, others []string }

// files returns the paths that take files, by the method of HTTP. The same path may take JSON by
// another method.
func (p restPaths) files() map[string]files {
	byVerb := map[string]files{}
	for _, path := range p.all {
		for _, binding := range path.bindings {
			if takesFile(binding) {
				found := byVerb[binding.Verb]
				found.take = append(found.take, path.pattern)
				for _, other := range p.all {
					inside := path.Contains(other.Shape) || path.Open() && other.CustomVerb != "" && path.OverlapsText(other.Shape)
					if other != path && inside && !other.takesFile(binding.Verb) && slices.Contains(other.verbs, binding.Verb) {
						found.others = append(found.others, other.pattern)
					}
				}
				byVerb[binding.Verb] = found
			}
		}
	}
	return byVerb
}

// takeFiles matches requests whose body may be of any content type; nil if there are none.
func (p restPaths) takeFiles() *predicate {
	var list []*predicate
	found := p.files()
	for _, verb := range slices.Sorted(maps.Keys(found)) {
		these := []*predicate{is(header(":method"), matching(anyVerb([]string{verb}))), is(header(":path"), matching(anyPath(found[verb].take)))}
		if others := found[verb].others; len(others) > 0 {
			these = append(these, fails(is(header(":path"), matching(anyPath(others)))))
		}
		list = append(list, and(these...))
	}
	if len(list) == 0 {
		return nil
	}
	return or(list...)
}

// takesFile reports whether the path takes a file by a method of HTTP.
func (p *restPath) takesFile(verb string) bool {
	return slices.ContainsFunc(p.bindings, func(b rest.Binding) bool { return b.Verb == verb && takesFile(b) })
}

// takesFile reports whether the body of a request may be of any content type: it is a
// google.api.HttpBody.
func takesFile(binding rest.Binding) bool {
	message := binding.Method.Input()
	if field := rest.Field(message, binding.Body); field != nil && field.Message() != nil {
		message = field.Message()
	}
	return binding.Body != "" && message.FullName() == rest.HTTPBody
}

// verbsOf returns the methods of HTTP that a binding takes; "*" is all.
func verbsOf(binding rest.Binding) []string {
	if binding.Verb == http.MethodGet {
		return []string{http.MethodGet, http.MethodHead}
	}
	return []string{binding.Verb}
}

// anyVerb returns a regular expression for these methods of HTTP.
func anyVerb(verbs []string) string {
	var patterns []string
	for _, verb := range verbs {
		patterns = append(patterns, strings.ReplaceAll(regexp.QuoteMeta(verb), `\*`, ".*"))
	}
	return strings.Join(patterns, "|")
}

// pathPattern returns a regular expression for the paths of a binding.
func pathPattern(binding rest.Binding) string {
	pattern := regexp.QuoteMeta(binding.Pattern())
	pattern = strings.ReplaceAll(pattern, `\*\*`, `[^?]*`)
	return strings.ReplaceAll(pattern, `\*`, `[^/?]+`)
}
