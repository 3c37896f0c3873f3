package envoy

import (
	"cmp"
	"fmt"
	"time"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	routev3 "github.com/envoyproxy/go-control-plane/envoy/config/route/v3"
	ratev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/common/ratelimit/v3"
	localratev3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/local_ratelimit/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	metadatav3 "github.com/envoyproxy/go-control-plane/envoy/type/metadata/v3"
	typev3 "github.com/envoyproxy/go-control-plane/envoy/type/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/structpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// clientNetwork is the length of the prefix that one IPv6 client has: a home may have a /56
// (RIPE-690, section 4.2), and use any address of it. Package chassis counts callers alike.
const clientNetwork = 56

// clientBuckets is the number of clients with a bucket in memory, less than 10 MB in all. The least recently used bucket is dropped, and is full again when its
// client comes back.
const clientBuckets = 10_000

// clientRateFilters returns the filters that limit the calls of one client: an IPv4 address,
// or a network of IPv6. They come before the verification of tokens, which is expensive.
func clientRateFilters(c Config) []*hcmv3.HttpFilter {
	if c.ClientRate == (Rate{}) {
		return nil
	}
	const key = "masked_remote_address" // what Envoy calls it
	limit := rateLimit("client_rate")
	limit.MaxDynamicDescriptors = wrapperspb.UInt32(clientBuckets)
	limit.Descriptors = []*ratev3.LocalRateLimitDescriptor{{
		Entries:     []*ratev3.RateLimitDescriptor_Entry{{Key: key}}, // no value: a bucket for each
		TokenBucket: c.ClientRate.bucket(),
	}}
	limit.RateLimits = []*routev3.RateLimit{{Actions: []*routev3.RateLimit_Action{{
		ActionSpecifier: &routev3.RateLimit_Action_MaskedRemoteAddress_{MaskedRemoteAddress: &routev3.RateLimit_Action_MaskedRemoteAddress{
			V6PrefixMaskLen: wrapperspb.UInt32(clientNetwork),
		}},
	}}}}
	return []*hcmv3.HttpFilter{httpFilter("client_rate", limit)}
}

// ruleRateFilterName is the name, in routes, of the filter that limits the calls of a rule.
// It is also the name of the metadata with the bucket of a route. ruleKey is the key in that
// metadata and in the descriptors of the buckets.
const (
	ruleRateFilterName = "rule_rate"
	ruleKey            = "rule"
)

// ruleRateFilters returns the filters that limit the calls of each rule. They come after all
// others that refuse calls, so that refused calls use no tokens. A route names the bucket of
// its calls, so that the routes of one rule share it.
func ruleRateFilters(c Config) []*hcmv3.HttpFilter {
	limit := rateLimit(ruleRateFilterName)
	for _, rule := range c.Rules {
		if rule.Rate != (Rate{}) {
			limit.Descriptors = append(limit.Descriptors, &ratev3.LocalRateLimitDescriptor{
				Entries:     []*ratev3.RateLimitDescriptor_Entry{{Key: ruleKey, Value: rule.bucketName()}},
				TokenBucket: rule.Rate.bucket(),
			})
		}
	}
	if len(limit.Descriptors) == 0 {
		return nil
	}
	limit.RateLimits = []*routev3.RateLimit{{Actions: []*routev3.RateLimit_Action{{
		ActionSpecifier: &routev3.RateLimit_Action_Metadata{Metadata: &routev3.RateLimit_Action_MetaData{
			DescriptorKey: ruleKey,
			MetadataKey: &metadatav3.MetadataKey{Key: ruleRateFilterName, Path: []*metadatav3.MetadataKey_PathSegment{
				{Segment: &metadatav3.MetadataKey_PathSegment_Key{Key: ruleKey}},
			}},
			Source: routev3.RateLimit_Action_MetaData_ROUTE_ENTRY,
		}},
	}}}}
	return []*hcmv3.HttpFilter{off(httpFilter(ruleRateFilterName, limit))}
}

// not inverts a matcher.
func not(matcher *routev3.HeaderMatcher) *routev3.HeaderMatcher {
	matcher.InvertMatch = true
	return matcher
}

// bucket returns the metadata by which a route names the bucket of the rule.
func (r Rule) bucket() *corev3.Metadata {
	return &corev3.Metadata{FilterMetadata: map[string]*structpb.Struct{ruleRateFilterName: {
		Fields: map[string]*structpb.Value{ruleKey: structpb.NewStringValue(r.bucketName())},
	}}}
}

func (r Rule) bucketName() string { return fmt.Sprintf("%s/%s/%s", r.Authority, r.Service, r.Method) }

// rateLimit returns the settings of a filter that answers RESOURCE_EXHAUSTED, or 429, to
// clients that call too often. Its buckets are per process, not per connection. An empty
// bucket gets a token within a second; retry-after says so.
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
		return fmt.Errorf("%s.PerSecond: 0 must be at least 1, because a burst is given", field)
	}
	return nil
}
