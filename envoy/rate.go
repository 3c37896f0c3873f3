package envoy

import (
	"cmp"
	"fmt"
	"regexp"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	ratev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	localratev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/local_ratelimit/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// clientBuckets is for how many client addresses a bucket is remembered, less than
// 10 MB of them; the one not used for longest gives way, and is full again when
// its client comes back.
const clientBuckets = 10_000

// clientRateFilters bounds what one client address may call. It comes before
// tokens are verified, which is work.
func clientRateFilters(c Config) []*hcmv3.HttpFilter {
	if c.ClientRate == (Rate{}) {
		return nil
	}
	const key = "remote_address" // what Envoy calls it
	limit := rateLimit("client_rate")
	limit.MaxDynamicDescriptors = wrapperspb.UInt32(clientBuckets)
	limit.Descriptors = []*ratev3.LocalRateLimitDescriptor{{
		Entries:     []*ratev3.RateLimitDescriptor_Entry{{Key: key}}, // no value: a bucket for each
		TokenBucket: c.ClientRate.bucket(),
	}}
	limit.RateLimits = []*routev3.RateLimit{{Actions: []*routev3.RateLimit_Action{{
		ActionSpecifier: &routev3.RateLimit_Action_RemoteAddress_{RemoteAddress: &routev3.RateLimit_Action_RemoteAddress{}},
	}}}}
	return []*hcmv3.HttpFilter{httpFilter("client_rate", limit)}
}

// ruleRateFilters bounds the calls of each rule, after all else that refuses
// calls: those that are refused take nothing from the others.
func ruleRateFilters(c Config) []*hcmv3.HttpFilter {
	limit := rateLimit("rule_rate")
	for _, rule := range c.Rules {
		if rule.Rate == (Rate{}) {
			continue
		}
		const key = "rule"
		value := fmt.Sprintf("%s/%s/%s", rule.Authority, rule.Service, rule.Method)
		limit.Descriptors = append(limit.Descriptors, &ratev3.LocalRateLimitDescriptor{
			Entries:     []*ratev3.RateLimitDescriptor_Entry{{Key: key, Value: value}},
			TokenBucket: rule.Rate.bucket(),
		})
		limit.RateLimits = append(limit.RateLimits, &routev3.RateLimit{Actions: []*routev3.RateLimit_Action{{
			ActionSpecifier: &routev3.RateLimit_Action_HeaderValueMatch_{HeaderValueMatch: &routev3.RateLimit_Action_HeaderValueMatch{
				DescriptorKey: key, DescriptorValue: value, Headers: c.callsOf(rule),
			}},
		}}})
	}
	if len(limit.Descriptors) == 0 {
		return nil
	}
	return []*hcmv3.HttpFilter{httpFilter("rule_rate", limit)}
}

// callsOf matches the calls that a rule is about by their path and authority, as routes
// do.
func (c Config) callsOf(rule Rule) []*routev3.HeaderMatcher {
	matchers := c.namesOf(rule)
	prefix := "/" + string(rule.Service) + "/"
	if rule.Method != "" {
		return append(matchers, pathIs(prefix+string(rule.Method)))
	}
	matchers = append(matchers, &routev3.HeaderMatcher{
		Name: ":path",
		HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: &matcherv3.StringMatcher{
			MatchPattern: &matcherv3.StringMatcher_Prefix{Prefix: prefix},
		}},
	})
	for _, method := range c.methodsWithRules(rule.Service) {
		matchers = append(matchers, not(pathIs(prefix+string(method))))
	}
	return matchers
}

// namesOf matches the authority of a rule, or else none of those that the other rules
// about the same calls have.
func (c Config) namesOf(rule Rule) []*routev3.HeaderMatcher {
	if rule.Authority != "" {
		return []*routev3.HeaderMatcher{authorityIs(rule.Authority)}
	}
	var matchers []*routev3.HeaderMatcher
	for _, other := range c.Rules {
		if other.Service == rule.Service && other.Method == rule.Method && other.Authority != "" {
			matchers = append(matchers, not(authorityIs(other.Authority)))
		}
	}
	return matchers
}

// not inverts a matcher.
func not(matcher *routev3.HeaderMatcher) *routev3.HeaderMatcher {
	matcher.InvertMatch = true
	return matcher
}

// pathIs ignores the query, which is part of this header.
func pathIs(path string) *routev3.HeaderMatcher {
	return headerMatches(":path", regexp.QuoteMeta(path)+`(\?.*)?`)
}

// authorityIs ignores case and port, as virtual hosts do.
func authorityIs(name string) *routev3.HeaderMatcher {
	return headerMatches(":authority", "(?i)"+regexp.QuoteMeta(name)+"(:[0-9]+)?")
}

// headerMatches wants all of the header to match.
func headerMatches(header, pattern string) *routev3.HeaderMatcher {
	return &routev3.HeaderMatcher{
		Name: header,
		HeaderMatchSpecifier: &routev3.HeaderMatcher_StringMatch{StringMatch: &matcherv3.StringMatcher{
			MatchPattern: &matcherv3.StringMatcher_SafeRegex{SafeRegex: &matcherv3.RegexMatcher{Regex: pattern}},
		}},
	}
}

// rateLimit answers RESOURCE_EXHAUSTED, or 429, to who calls too often. Its
// buckets are those of the process, not of a connection. One that is empty has a
// token again within a second, which is what the header says.
func rateLimit(name string) *localratev3.LocalRateLimit {
	always := &corev3.RuntimeFractionalPercent{
		DefaultValue: &typev3.FractionalPercent{Numerator: 100, Denominator: typev3.FractionalPercent_HUNDRED},
	}
	return &localratev3.LocalRateLimit{
		StatPrefix:                     name,
		FilterEnabled:                  always,
		FilterEnforced:                 always,
		RateLimitedAsResourceExhausted: true,
		ResponseHeadersToAdd: []*corev3.HeaderValueOption{{
			Header: &corev3.HeaderValue{Key: "retry-after", Value: "1"},
		}},
	}
}

func (r Rate) bucket() *typev3.TokenBucket {
	return &typev3.TokenBucket{
		MaxTokens:     cmp.Or(r.Burst, r.PerSecond),
		TokensPerFill: wrapperspb.UInt32(r.PerSecond),
		FillInterval:  durationpb.New(time.Second),
	}
}

func (r Rate) validate(field string) error {
	if r.PerSecond == 0 && r.Burst > 0 {
		return fmt.Errorf("%s.PerSecond: 0 must be at least 1 where there is a Burst", field)
	}
	return nil
}
