package envoy

import (
	"fmt"
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
func restRefusals(paths restPaths) []refusal {
	path, contentType := header(":path"), header("content-type")
	writes := is(header(":method"), matching("POST|PUT|PATCH|DELETE"))
	posts := is(header(":method"), exactly(http.MethodPost))
	json := is(contentType, matching(jsonType))
	list := []refusal{
		{fails(is(path, matching(utf8Path))), http.StatusBadRequest, "the path or query is not percent-encoded UTF-8", ""},
		{is(path, matching(`[^?]*%(2[Ff]|5[Cc]).*`)), http.StatusBadRequest,
			"%2F and %5C are refused in a path, because it is ambiguous whether they separate segments; send the value in the query or body", ""},
		{is(path, matching(`[^?]+/(\?.*)?`)), http.StatusBadRequest, "a path must not end in a slash, which would be lost", ""},
		{and(is(header("content-encoding"), matching(".+")), fails(is(header("content-encoding"), matching("(?i)identity")))),
			http.StatusUnsupportedMediaType, "compressed bodies are not supported; send it uncompressed", ""},
	}
	notJSON := and(writes, fails(json), or(posts, is(contentType, matching(".+"))))
	if file := paths.takeFiles(); file != nil {
		list = append(list, refusal{
			and(posts, file, is(header("origin"), matching(".+")), or(fails(is(contentType, matching(".+"))), is(contentType, matching(simpleType)))),
			http.StatusUnsupportedMediaType, "a web page must send a content-type that triggers a CORS preflight, such as application/octet-stream", "",
		})
		notJSON = and(notJSON, fails(file))
	}
	return append(list, refusal{notJSON, http.StatusUnsupportedMediaType, "the content-type must be application/json", ""})
}

// preflight matches what a browser sends to ask for permission. The filter of CORS answers it.
func preflight() *predicate {
	return and(is(header(":method"), exactly(http.MethodOptions)), is(header("access-control-request-method"), matching(".+")))
}

// refuseByPath finds the refusals of a path by its prefix: an HTTP method that the path
// does not have, and a query that repeats a variable of the path. The longest prefix
// matches, so each entry includes the refusals of shorter ones; if it refuses nothing, Envoy
// looks the shorter ones up, too. There is an entry for each path of REST, so their size
// decides the size of the configuration. It is nil if no path refuses anything.
func refuseByPath(c Config, paths restPaths) *matchingv3.Matcher_OnMatch {
	table := map[string]*matchingv3.Matcher_OnMatch{}
	for _, path := range paths.all {
		if _, done := table[path.prefix]; done {
			continue
		}
		if at := refuseAt(c, paths, path.prefix); at != nil { // Envoy wants at least one
			table[path.prefix] = orElse(at)
		}
	}
	if len(table) == 0 {
		return nil
	}
	return orElse(beginsWith(header(":path"), table))
}

// manyPaths is the number of paths of one prefix from which on a request is first compared with all
// of them at once, by one regular expression for each method of HTTP.
const manyPaths = 8

// refuseAt returns the refusals of paths with a prefix; nil for none.
func refuseAt(c Config, paths restPaths, prefix string) *matchingv3.Matcher {
	near, below := paths.at(prefix)
	verbs, queries := paths.wrongVerbs(near, below), paths.queriesOverPaths(near, below)
	if all := append(verbs, queries...); len(all) == 0 {
		return nil
	} else if len(near) < manyPaths {
		return refuse(c, all)
	}
	list := &matchingv3.Matcher_MatcherList{}
	add := func(when *predicate, refusals []refusal) {
		if len(refusals) > 0 {
			list.Matchers = append(list.Matchers, &matchingv3.Matcher_MatcherList_FieldMatcher{Predicate: when, OnMatch: orElse(refuse(c, refusals))})
		}
	}
	add(fails(paths.accept(near)), verbs)
	add(is(header(":path"), matching(`[^?]*\?.*`)), queries)
	return &matchingv3.Matcher{MatcherType: &matchingv3.Matcher_MatcherList_{MatcherList: list}}
}

// wrongVerbs answers 405 with the methods that a path has (RFC 9110, section 15.5.6), but not for
// paths below, which have their own.
func (p restPaths) wrongVerbs(near, below []*restPath) []refusal {
	var list []refusal
	all := slices.Concat(near, below)
	for _, path := range near {
		verbs := slices.Clone(path.verbs)
		var others []*predicate // A part of these paths is the other's, too.
		for _, other := range all {
			switch {
			case other == path || !path.Overlaps(other.Shape):
			case other.Contains(path.Shape):
				verbs = append(verbs, other.verbs...)
			default:
				others = append(others, fails(and(is(header(":method"), matching(anyVerb(other.verbs))), p.are(other, ""))))
			}
		}
		slices.Sort(verbs)
		verbs = slices.Compact(verbs)
		if slices.Contains(verbs, "*") { // any
			continue
		}
		when := append([]*predicate{fails(is(header(":method"), matching(anyVerb(verbs)))), p.are(path, "")}, others...)
		list = append(list, refusal{and(when...), http.StatusMethodNotAllowed, "this path does not support the method; it supports " + strings.Join(verbs, ", "), strings.Join(verbs, ", ")})
	}
	return list
}

// queriesOverPaths refuses a query that has a variable of the path, in any spelling,
// since it would override the path. It also refuses a query with an escaped name, which
// may be such a variable. Narrower paths have variables of their own.
func (p restPaths) queriesOverPaths(near, below []*restPath) []refusal {
	var list []refusal
	all := slices.Concat(near, below)
	for _, path := range near {
		for _, binding := range path.bindings {
			var fields, names []string
			for _, variable := range binding.Variables() {
				fields = append(fields, variable.Field)
				names = append(names, eitherSpelling(binding.Method.Input(), variable.Field))
			}
			if len(names) == 0 {
				continue
			}
			named := "(" + strings.Join(names, "|") + `|[^=&]*%[^=&]*)`
			when := []*predicate{is(header(":method"), matching(anyVerb(verbsOf(binding)))), p.are(path, `\?(.*&)?`+named+`(=.*|&.*)?`)}
			for _, other := range all {
				if other != path && path.Contains(other.Shape) && slices.Contains(other.verbs, binding.Verb) {
					when = append(when, fails(p.are(other, "")))
				}
			}
			list = append(list, refusal{and(when...), http.StatusBadRequest, "the query sets a parameter of the path, or percent-encodes a name: " + strings.Join(fields, ", "), ""})
		}
	}
	return list
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

func matching(pattern string) *matchingv3.StringMatcher {
	return &matchingv3.StringMatcher{MatchPattern: &matchingv3.StringMatcher_SafeRegex{SafeRegex: &matchingv3.RegexMatcher{
		EngineType: &matchingv3.RegexMatcher_GoogleRe2{GoogleRe2: &matchingv3.RegexMatcher_GoogleRE2{}},
		Regex:      fmt.Sprintf("^(?:%s)$", pattern),
	}}}
}
