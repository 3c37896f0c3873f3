package envoy

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strings"

	matchingv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	"google.golang.org/protobuf/reflect/protoreflect"

	"example.com/grpc-edge/envoy/rest"
)

// Envoy's transcoder accepts requests that other servers of google.api.http would not, or
// refuses them without a reason. Requests refused here never reach it. All of this applies
// to requests that are neither gRPC nor gRPC-Web; native calls are not matched against it.

const (
	// jsonType matches the content types of JSON (RFC 8259, section 11, and RFC 6839,
	// section 3.1). A browser asks before a page may send one to another origin.
	jsonType = `(?i)application/([a-z0-9.!#$&^_-]+\+)?json\s*(;.*)?`
	// simpleType matches what a page may send to any origin without asking (Fetch
	// standard, "CORS-safelisted request-header").
	simpleType = `(?i)\s*(text/plain|application/x-www-form-urlencoded|multipart/form-data)\s*(;.*)?`
	// utf8Path matches a path and query in ASCII whose percent-encoded bytes are UTF-8
	// (RFC 3629, section 4).
	utf8Path = `([!-$&-~]|%[0-7][0-9A-Fa-f]|%([Cc][2-9A-Fa-f]|[Dd][0-9A-Fa-f])` + utf8Tail +
		`|%[Ee]0%[AaBb][0-9A-Fa-f]` + utf8Tail + `|%([Ee][1-9A-Ca-cEeFf])` + utf8Tail + utf8Tail + `|%[Ee][Dd]%[89][0-9A-Fa-f]` + utf8Tail +
		`|%[Ff]0%[9AaBb][0-9A-Fa-f]` + utf8Tail + utf8Tail + `|%[Ff][1-3]` + utf8Tail + utf8Tail + utf8Tail + `|%[Ff]4%8[0-9A-Fa-f]` + utf8Tail + utf8Tail + `)*`
	utf8Tail = `%[89AaBb][0-9A-Fa-f]`
)

// refusal describes the answer to requests that match the predicate.
type refusal struct {
	when   *predicate
	status uint32
	reason string
	allow  string // the header of that name; empty for none
}

// restRefusals returns the refusals that apply at any path.
func restRefusals(c Config) []refusal {
	path, contentType := header(":path"), header("content-type")
	writes := is(header(":method"), matching("POST|PUT|PATCH|DELETE"))
	posts := is(header(":method"), exactly(http.MethodPost))
	json := is(contentType, matching(jsonType))
	list := []refusal{
		{fails(is(path, matching(utf8Path))), http.StatusBadRequest, "a percent-encoded byte in the path or query is not UTF-8", ""},
		{is(path, matching(`[^?]*%(2[Ff]|5[Cc]).*`)), http.StatusBadRequest,
			"%2F and %5C are not taken in a path: whether they part it is not clear; send the value in the query or in the body", ""},
		{is(path, matching(`[^?]+/(\?.*)?`)), http.StatusBadRequest, "a path must not end in a slash, which would be lost", ""},
		{and(is(header("content-encoding"), matching(".+")), fails(is(header("content-encoding"), matching("(?i)identity")))),
			http.StatusUnsupportedMediaType, "compressed bodies are not taken; send this one as it is", ""},
	}
	notJSON := and(writes, fails(json), or(posts, is(contentType, matching(".+"))))
	if file := takesFiles(c); file != nil {
		list = append(list, refusal{
			and(posts, file, is(header("origin"), matching(".+")), or(fails(is(contentType, matching(".+"))), is(contentType, matching(simpleType)))),
			http.StatusUnsupportedMediaType, "a page must name a content-type that a browser asks for first, such as application/octet-stream", "",
		})
		notJSON = and(notJSON, fails(file))
	}
	return append(list, refusal{notJSON, http.StatusUnsupportedMediaType, "the content-type must be application/json", ""})
}

// takesFiles matches requests whose body may be of any content type; nil if there are none.
func takesFiles(c Config) *predicate {
	var files []*predicate
	paths := filePaths(c)
	for _, verb := range slices.Sorted(maps.Keys(paths)) {
		files = append(files, and(
			is(header(":method"), matching(verbPattern(verb))),
			is(header(":path"), matching("("+strings.Join(paths[verb], "|")+`)(\?.*)?`)),
		))
	}
	if len(files) == 0 {
		return nil
	}
	return or(files...)
}

// filePaths returns the patterns of the paths that take a body of any content type, by the
// HTTP method of their bindings. The same path may take JSON by another method.
func filePaths(c Config) map[string][]string {
	paths := map[string][]string{}
	for _, service := range restServices(c) {
		for _, binding := range restBindings(service) {
			if pattern := pathPattern(binding); takesFile(binding) && !slices.Contains(paths[binding.Verb], pattern) {
				paths[binding.Verb] = append(paths[binding.Verb], pattern)
			}
		}
	}
	for _, patterns := range paths {
		slices.Sort(patterns)
	}
	return paths
}

// pathsOf returns the patterns of the paths of such bindings, sorted.
func pathsOf(c Config, such func(rest.Binding) bool) []string {
	paths := map[string]bool{}
	for _, service := range restServices(c) {
		for _, binding := range restBindings(service) {
			if such(binding) {
				paths[pathPattern(binding)] = true
			}
		}
	}
	return slices.Sorted(maps.Keys(paths))
}

// preflight matches what a browser sends to ask for permission. The filter of CORS answers it.
func preflight() *predicate {
	return and(is(header(":method"), exactly(http.MethodOptions)), is(header("access-control-request-method"), matching(".+")))
}

// refuseByPath finds the refusals of a path by its prefix: an HTTP method that the path
// does not have, and a query that repeats a variable of the path. The longest prefix
// matches, so each entry includes the refusals of shorter ones; if it refuses nothing, Envoy
// looks the shorter ones up, too. There is an entry for each path of REST, so their size
// decides the size of the configuration.
func refuseByPath(c Config) *matchingv3.Matcher_OnMatch {
	var bindings []rest.Binding
	for _, service := range restServices(c) {
		bindings = append(bindings, restBindings(service)...)
	}
	begins, verbs := map[string]bool{}, map[string]bool{}
	for _, binding := range bindings {
		begins[literalPrefix(binding)] = true
		if verb := binding.CustomVerb(); verb != "" {
			verbs[regexp.QuoteMeta(verb)] = true
		}
	}
	customVerbs := slices.Sorted(maps.Keys(verbs))
	table := map[string]*matchingv3.Matcher_OnMatch{}
	for prefix := range begins {
		var near, below []rest.Binding
		for _, binding := range bindings {
			switch begins := literalPrefix(binding); {
			case strings.HasPrefix(prefix, begins):
				near = append(near, binding)
			case strings.HasPrefix(begins, prefix):
				below = append(below, binding)
			}
		}
		table[prefix] = orElse(refuse(c, append(wrongVerbs(near, below, customVerbs), queriesOverPaths(near, customVerbs)...)))
	}
	return orElse(beginsWith(header(":path"), table))
}

// methodsOf describes a path by the methods of HTTP that it has.
type methodsOf struct {
	rest.Binding // one that has the path
	verbs        []string
}

// paths returns the paths of bindings, the narrower first.
func paths(bindings []rest.Binding) []methodsOf {
	byPattern := map[string]methodsOf{}
	for _, binding := range bindings {
		path := byPattern[binding.Pattern()]
		path.Binding = binding
		path.verbs = append(path.verbs, binding.Verb)
		if binding.Verb == http.MethodGet {
			path.verbs = append(path.verbs, http.MethodHead)
		}
		byPattern[binding.Pattern()] = path
	}
	return slices.SortedFunc(maps.Values(byPattern), func(a, b methodsOf) int {
		return cmp.Or(rest.Narrower(a.Binding, b.Binding), strings.Compare(a.Pattern(), b.Pattern()))
	})
}

// wrongVerbs answers 405 with the methods that a path of these bindings has (RFC 9110, section
// 15.5.6), but not for paths below, which have their own. HEAD is one where GET is.
func wrongVerbs(bindings, below []rest.Binding, customVerbs []string) []refusal {
	var list []refusal
	all := paths(slices.Concat(bindings, below))
	for _, path := range paths(bindings) {
		verbs, when := slices.Clone(path.verbs), []*predicate{pathIs(path.Binding, customVerbs, "")}
		for _, other := range all {
			switch {
			case other.Pattern() == path.Pattern() || !rest.Overlap(path.Binding, other.Binding):
			case rest.Contains(other.Binding, path.Binding):
				verbs = append(verbs, other.verbs...)
			default: // A part of these paths is the other's, too.
				when = append(when, fails(and(pathIs(other.Binding, customVerbs, ""), is(header(":method"), matching(anyVerb(other.verbs))))))
			}
		}
		slices.Sort(verbs)
		verbs = slices.Compact(verbs)
		if slices.Contains(verbs, "*") { // any
			continue
		}
		when = append(when, fails(is(header(":method"), matching(anyVerb(verbs)))))
		list = append(list, refusal{and(when...), http.StatusMethodNotAllowed, "this path has no such method; it has " + strings.Join(verbs, ", "), strings.Join(verbs, ", ")})
	}
	return list
}

// anyVerb returns a regular expression for these methods of HTTP.
func anyVerb(verbs []string) string {
	var patterns []string
	for _, verb := range verbs {
		patterns = append(patterns, strings.ReplaceAll(regexp.QuoteMeta(verb), `\*`, ".*"))
	}
	return strings.Join(patterns, "|")
}

// pathIs matches the paths of a binding with a query that matches a regular expression; empty is for
// any or none. The transcoder takes a last part such as ":disable" for a verb if any binding has it,
// and looks then for no other binding.
func pathIs(binding rest.Binding, customVerbs []string, query string) *predicate {
	path := is(header(":path"), matching(pathPattern(binding)+cmp.Or(query, `(\?.*)?`)))
	if len(customVerbs) == 0 || binding.CustomVerb() != "" || !strings.HasSuffix(binding.Pattern(), "*") {
		return path
	}
	return and(path, fails(is(header(":path"), matching(`[^?]*:(`+strings.Join(customVerbs, "|")+`)(\?.*)?`))))
}

// queriesOverPaths refuses a query that has a variable of the path, in any spelling,
// since it would override the path. It also refuses a query with an escaped name, which
// may be such a variable.
func queriesOverPaths(bindings []rest.Binding, customVerbs []string) []refusal {
	var list []refusal
	for _, binding := range bindings {
		var fields, names []string
		for _, variable := range binding.Variables() {
			fields = append(fields, variable.Field)
			names = append(names, eitherSpelling(binding.Method.Input(), variable.Field))
		}
		if len(names) == 0 {
			continue
		}
		named := "(" + strings.Join(names, "|") + `|[^=&]*%[^=&]*)`
		list = append(list, refusal{
			and(is(header(":method"), matching(verbPattern(binding.Verb))), pathIs(binding, customVerbs, `\?(.*&)?`+named+`(=.*|&.*)?`)),
			http.StatusBadRequest, "the query names what the path says already, or escapes a name: " + strings.Join(fields, ", "), "",
		})
	}
	return list
}

// verbPattern returns a regular expression for the methods of HTTP that a binding takes.
func verbPattern(verb string) string {
	switch verb {
	case "*":
		return ".*"
	case http.MethodGet:
		return "GET|HEAD"
	}
	return regexp.QuoteMeta(verb)
}

// refuse answers by the first refusal that holds. A page of one of the origins may read it.
func refuse(c Config, list []refusal) *matchingv3.Matcher {
	m := &matchingv3.Matcher_MatcherList{}
	for _, r := range list {
		route := &routev3.Route{
			Name:                 "refused: " + r.reason, // the reason is in the access log, too
			Match:                &routev3.RouteMatch{PathSpecifier: &routev3.RouteMatch_Prefix{Prefix: "/"}},
			TypedPerFilterConfig: corsSettings(c),
			Action: &routev3.Route_DirectResponse{DirectResponse: &routev3.DirectResponseAction{
				Status: r.status,
				Body:   &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: r.reason}},
			}},
		}
		if r.allow != "" {
			route.ResponseHeadersToAdd = []*corev3.HeaderValueOption{{Header: &corev3.HeaderValue{Key: "allow", Value: r.allow}}}
		}
		m.Matchers = append(m.Matchers, &matchingv3.Matcher_MatcherList_FieldMatcher{Predicate: r.when, OnMatch: toRoutes(route)})
	}
	return &matchingv3.Matcher{MatcherType: &matchingv3.Matcher_MatcherList_{MatcherList: m}}
}

// literalPrefix returns the common prefix of all paths of a binding.
func literalPrefix(binding rest.Binding) string {
	prefix, _, _ := strings.Cut(binding.Pattern(), "*")
	return prefix
}

// pathPattern returns a regular expression for the paths of a binding.
func pathPattern(binding rest.Binding) string {
	pattern := regexp.QuoteMeta(binding.Pattern())
	pattern = strings.ReplaceAll(pattern, `\*\*`, `[^?]*`)
	return strings.ReplaceAll(pattern, `\*`, `[^/?]+`)
}

// eitherSpelling returns a regular expression for the path of a field, each part of which may have
// its name in the proto or in JSON: the transcoder looks up each part by itself.
func eitherSpelling(message protoreflect.MessageDescriptor, path string) string {
	var pattern []string
	parts := strings.Split(path, ".")
	for i, name := range parts {
		spelling := regexp.QuoteMeta(name)
		if field := rest.Field(message, strings.Join(parts[:i+1], ".")); field != nil && field.JSONName() != name {
			spelling = "(" + spelling + "|" + regexp.QuoteMeta(field.JSONName()) + ")"
		}
		pattern = append(pattern, spelling)
	}
	return strings.Join(pattern, `\.`)
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

func matching(pattern string) *matchingv3.StringMatcher {
	return &matchingv3.StringMatcher{MatchPattern: &matchingv3.StringMatcher_SafeRegex{SafeRegex: &matchingv3.RegexMatcher{
		EngineType: &matchingv3.RegexMatcher_GoogleRe2{GoogleRe2: &matchingv3.RegexMatcher_GoogleRE2{}},
		Regex:      fmt.Sprintf("^(?:%s)$", pattern),
	}}}
}
