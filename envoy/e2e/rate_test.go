package e2e

import (
	"fmt"
	"net/http"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"example.com/grpc-edge/envoy"
)

// taken calls until it is refused for calling too often, and returns how many
// calls were answered before.
func taken(t *testing.T, connection *grpc.ClientConn, method string) int {
	t.Helper()
	for n := range 1000 {
		err := connection.Invoke(callContext(t), method, &emptypb.Empty{}, &wrapperspb.StringValue{})
		switch status.Code(err) {
		case codes.OK:
		case codes.ResourceExhausted:
			return n
		default:
			t.Fatalf("call %d of %s: %v", n+1, method, err)
		}
	}
	t.Fatalf("1000 calls of %s and none refused", method)
	return 0
}

// within allows for buckets that gain one token each second while a test runs.
func within(got, burst int) bool { return got >= burst && got < burst+10 }

// TestClientRate has two clients, one with two connections.
func TestClientRate(t *testing.T) {
	t.Parallel()
	config, backend := oneBackend(t)
	config.ClientRate = envoy.Rate{PerSecond: 1, Burst: 30}
	e := start(t, config)
	one := taken(t, e.dial(t, from("127.0.0.2")), count)
	again := taken(t, e.dial(t, from("127.0.0.2")), headers)
	other := taken(t, e.dial(t, from("127.0.0.3")), count)
	if !within(one, 30) || again >= 10 || !within(other, 30) {
		t.Errorf("of one client %d calls were answered, then %d on another connection, and %d of another client; want 30, 0 and 30", one, again, other)
	}
	if got := int(backend.calls.Load()); got != one+other {
		t.Errorf("%d calls reached the backend, want %d", got, one+other)
	}
	if got := e.counter(t, "client_rate.http_local_rate_limit.rate_limited"); got != 3 {
		t.Errorf("%d calls were counted as refused, want 3", got)
	}
}

// TestManyClients checks that Envoy does not forget a client when others come, as it
// would with its default of 20.
func TestManyClients(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	config.ClientRate = envoy.Rate{PerSecond: 1, Burst: 30}
	e := start(t, config)
	first := e.dial(t, from("127.0.0.2"))
	taken(t, first, count)
	for i := range 40 {
		if err := callCount(t.Context(), e.dial(t, from(fmt.Sprintf("127.0.1.%d", i+1)))); err != nil {
			t.Errorf("client %d: %v", i, err)
		}
	}
	if got := taken(t, first, count); got >= 30 {
		t.Errorf("of a client with an empty bucket %d calls were answered after others came", got)
	}
}

// TestRuleRate has a bucket for a method, and one for the rest of its service,
// which all clients share.
func TestRuleRate(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	config.Rules = []envoy.Rule{
		{Service: probe, Rate: envoy.Rate{PerSecond: 1, Burst: 40}},
		{Service: probe, Method: "Headers", Rate: envoy.Rate{PerSecond: 1, Burst: 20}},
	}
	e := start(t, config)
	method := taken(t, e.dial(t, from("127.0.0.2")), headers)
	if got, err := e.raw(t, headers+"?x", nil); err != nil || got.code != codes.ResourceExhausted {
		t.Errorf("a call with a query when the bucket of its method is empty: %v, %v, want RESOURCE_EXHAUSTED", got.code, err)
	}
	shared := taken(t, e.dial(t, from("127.0.0.3")), headers)
	rest := taken(t, e.dial(t), count)
	if !within(method, 20) || shared >= 10 || !within(rest, 40) {
		t.Errorf("%d calls of the method were answered, then %d of another client, and %d of the rest; want 20, 0 and 40", method, shared, rest)
	}
	for _, path := range []string{count, count + "?again", "/test.Probe/More"} {
		if got, err := e.raw(t, path, nil); err != nil || got.code != codes.ResourceExhausted {
			t.Errorf("%s when its bucket is empty: %v, %v, want RESOURCE_EXHAUSTED", path, got.code, err)
		}
	}
	got, err := e.raw(t, headers+"?x", web)
	if err != nil || got.status != http.StatusTooManyRequests || got.header.Get("Retry-After") != "1" {
		t.Errorf("a request when its bucket is empty: %d, %v, %v, want 429 and retry-after 1", got.status, got.header, err)
	}
}

// TestRuleRateByAuthority has a bucket for one name, however it is spelt, and one for the
// others together.
func TestRuleRateByAuthority(t *testing.T) {
	t.Parallel()
	config, _ := oneBackend(t)
	config.Authorities = []string{"one.example.com", "two.example.com", serverName}
	config.Rules = []envoy.Rule{
		{Service: probe, Authority: "one.example.com", Rate: envoy.Rate{PerSecond: 1, Burst: 20}},
		{Service: probe, Rate: envoy.Rate{PerSecond: 1, Burst: 40}},
	}
	e := start(t, config)
	for _, test := range []struct {
		authority, alias string
		burst            int
	}{
		{"one.example.com", "ONE.example.com:443", 20}, {serverName, "two.example.com:8443", 40},
	} {
		client := e.ca.client()
		client.ServerName, client.InsecureSkipVerify = test.authority, true // the certificate is for one name alone
		if got := taken(t, e.dialTLS(t, client), count); !within(got, test.burst) {
			t.Errorf("by %s %d calls were answered, want %d", test.authority, got, test.burst)
		}
		got, err := e.raw(t, count, func(r *http.Request) { r.Host = test.alias })
		if err != nil || got.code != codes.ResourceExhausted {
			t.Errorf("by %s when the bucket of %s is empty: %v, %v, want RESOURCE_EXHAUSTED", test.alias, test.authority, got.code, err)
		}
	}
}

// TestRefusedCallsTakeNoTokens has a client without a token try to use up the rate
// of a rule.
func TestRefusedCallsTakeNoTokens(t *testing.T) {
	t.Parallel()
	key := newECKey(t)
	config, _ := oneBackend(t)
	config.Issuers = []envoy.Issuer{{Name: "es", Issuer: "es", Audiences: []string{"probe"}, JWKS: key.jwks(t)}}
	config.Rules = []envoy.Rule{{Service: probe, Issuers: []string{"es"}, Rate: envoy.Rate{PerSecond: 1, Burst: 20}}}
	e := start(t, config)
	for range 50 {
		if got, err := e.raw(t, count, nil); err != nil || got.code != codes.Unauthenticated {
			t.Fatalf("a call without a token: %v, %v", got.code, err)
		}
	}
	good := e.dial(t, grpc.WithPerRPCCredentials(bearer(key.token(t, goodClaims("es")))))
	if got := taken(t, good, count); !within(got, 20) {
		t.Errorf("%d calls with a token were answered, want 20", got)
	}
}
