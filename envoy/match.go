package envoy

import (
	xdscorev3 "github.com/cncf/xds/go/xds/core/v3"
	matchingv3 "github.com/cncf/xds/go/xds/type/matcher/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	inputsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/matching/common_inputs/network/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
)

// header reads a header of the request.
func header(name string) *xdscorev3.TypedExtensionConfig {
	return &xdscorev3.TypedExtensionConfig{
		Name:        "request_header",
		TypedConfig: typed(&matcherv3.HttpRequestHeaderMatchInput{HeaderName: name}),
	}
}

// filterState reads what a filter has noted about the request.
func filterState(key string) *xdscorev3.TypedExtensionConfig {
	return &xdscorev3.TypedExtensionConfig{
		Name:        "filter_state",
		TypedConfig: typed(&inputsv3.FilterStateInput{Key: key}),
	}
}

// toRoutes leads to the first of the routes that matches.
func toRoutes(routes ...*routev3.Route) *matchingv3.Matcher_OnMatch {
	var action message = &routev3.RouteList{Routes: routes}
	if len(routes) == 1 {
		action = routes[0]
	}
	return &matchingv3.Matcher_OnMatch{OnMatch: &matchingv3.Matcher_OnMatch_Action{
		Action: &xdscorev3.TypedExtensionConfig{Name: "route", TypedConfig: typed(action)},
	}}
}

// orElse continues with another matcher.
func orElse(m *matchingv3.Matcher) *matchingv3.Matcher_OnMatch {
	return &matchingv3.Matcher_OnMatch{OnMatch: &matchingv3.Matcher_OnMatch_Matcher{Matcher: m}}
}

// equals looks the whole value up, and beginsWith its longest prefix. Neither takes longer
// for a longer table.
func equals(input *xdscorev3.TypedExtensionConfig, table map[string]*matchingv3.Matcher_OnMatch) *matchingv3.Matcher {
	return lookUp(&matchingv3.Matcher_MatcherTree{Input: input, TreeType: &matchingv3.Matcher_MatcherTree_ExactMatchMap{
		ExactMatchMap: &matchingv3.Matcher_MatcherTree_MatchMap{Map: table},
	}})
}

func beginsWith(input *xdscorev3.TypedExtensionConfig, table map[string]*matchingv3.Matcher_OnMatch) *matchingv3.Matcher {
	return lookUp(&matchingv3.Matcher_MatcherTree{Input: input, TreeType: &matchingv3.Matcher_MatcherTree_PrefixMatchMap{
		PrefixMatchMap: &matchingv3.Matcher_MatcherTree_MatchMap{Map: table},
	}})
}

func lookUp(tree *matchingv3.Matcher_MatcherTree) *matchingv3.Matcher {
	return &matchingv3.Matcher{MatcherType: &matchingv3.Matcher_MatcherTree_{MatcherTree: tree}}
}

// when leads somewhere if the predicate holds.
func when(p *predicate, then *matchingv3.Matcher_OnMatch) *matchingv3.Matcher {
	return &matchingv3.Matcher{MatcherType: &matchingv3.Matcher_MatcherList_{MatcherList: &matchingv3.Matcher_MatcherList{
		Matchers: []*matchingv3.Matcher_MatcherList_FieldMatcher{{Predicate: p, OnMatch: then}},
	}}}
}

type predicate = matchingv3.Matcher_MatcherList_Predicate

// is holds for a value that the matcher accepts, and not for one that is missing.
func is(input *xdscorev3.TypedExtensionConfig, value *matchingv3.StringMatcher) *predicate {
	return &predicate{MatchType: &matchingv3.Matcher_MatcherList_Predicate_SinglePredicate_{
		SinglePredicate: &matchingv3.Matcher_MatcherList_Predicate_SinglePredicate{
			Input:   input,
			Matcher: &matchingv3.Matcher_MatcherList_Predicate_SinglePredicate_ValueMatch{ValueMatch: value},
		},
	}}
}

// fails holds where the predicate does not.
func fails(p *predicate) *predicate {
	return &predicate{MatchType: &matchingv3.Matcher_MatcherList_Predicate_NotMatcher{NotMatcher: p}}
}

func and(list ...*predicate) *predicate {
	return &predicate{MatchType: &matchingv3.Matcher_MatcherList_Predicate_AndMatcher{
		AndMatcher: &matchingv3.Matcher_MatcherList_Predicate_PredicateList{Predicate: list},
	}}
}

func or(list ...*predicate) *predicate {
	if len(list) == 1 { // Envoy wants at least two
		return list[0]
	}
	return &predicate{MatchType: &matchingv3.Matcher_MatcherList_Predicate_OrMatcher{
		OrMatcher: &matchingv3.Matcher_MatcherList_Predicate_PredicateList{Predicate: list},
	}}
}

func exactly(value string) *matchingv3.StringMatcher {
	return &matchingv3.StringMatcher{MatchPattern: &matchingv3.StringMatcher_Exact{Exact: value}}
}

func startingWith(value string) *matchingv3.StringMatcher {
	return &matchingv3.StringMatcher{MatchPattern: &matchingv3.StringMatcher_Prefix{Prefix: value}}
}
