package config

import (
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"google.golang.org/protobuf/reflect/protoreflect"

	"example.com/grpc-edge/envoy"
)

// Edge describes how Envoy handles calls.
type Edge struct {
	// Config holds the fields that keys set. The others are empty.
	envoy.Config
	// Reflection and Health answer gRPC reflection and gRPC health for all services.
	Reflection, Health bool
	// ZoneAware prefers pods in the zone of the Envoy pod that handles the call.
	ZoneAware bool
	// Sampling is the share of calls that are traced, in percent.
	Sampling int
	// Canaries holds the canaries of services, by the name of the service.
	Canaries map[string]Canary
}

// Directory reports whether the edge answers for all services, in reflection or health.
func (e Edge) Directory() bool { return e.Reflection || e.Health }

// OpenReflection reports whether the edge answers reflection to anyone who may call it, by any
// name and at any rate.
func (e Edge) OpenReflection() bool {
	return e.Reflection && !slices.ContainsFunc(e.Rules, func(r envoy.Rule) bool { return strings.HasPrefix(string(r.Service), "grpc.reflection.") })
}

// Canary makes the version in the source the second version of a service.
type Canary struct {
	// Stable is the digest of the image of the first version, with sha256:.
	Stable string
	// Canary has no Address, which follows from the name of the service.
	envoy.Canary
}

var (
	origin     = regexp.MustCompile(`^https?://[a-z0-9.-]+(:[0-9]{1,5})?$`)
	headerName = regexp.MustCompile(`^(x-[a-z0-9-]{1,60})?$`)
)

// pageHeader matches header names in lower case, as browsers compare them (Fetch standard,
// "CORS protocol").
var pageHeader = regexp.MustCompile(`^[a-z0-9][a-z0-9_-]{0,99}$`)

const pageHeaders = "names of headers in lower case, such as [x-tenant]"

// underscores maps the values of grpc-edge:underscoreHeaders to those of
// [envoy.Underscores].
var underscores = map[string]envoy.Underscores{
	"drop": envoy.DropUnderscores, "refuse": envoy.RefuseUnderscores, "allow": envoy.AllowUnderscores,
}

func (r *reader) edge() Edge {
	return Edge{
		Config:     r.envoy(),
		Reflection: r.boolean("grpc-edge:reflection"),
		Health:     r.boolean("grpc-edge:health"),
		ZoneAware:  r.boolean("grpc-edge:zoneAware"),
		Sampling:   r.integer("grpc-edge:traceSamplePercent", 0, 100),
		Canaries:   r.canaries("grpc-edge:canaries"),
	}
}

// envoy reads the options that Envoy takes as they are.
func (r *reader) envoy() envoy.Config {
	return envoy.Config{
		REST:    r.boolean("grpc-edge:rest"),
		Origins: r.list("grpc-edge:webOrigins", 0, origin, "origins of web pages, such as [https://app.example.com]"),

		PageRequestHeaders:  r.list("grpc-edge:webRequestHeaders", 0, pageHeader, pageHeaders),
		PageResponseHeaders: r.list("grpc-edge:webResponseHeaders", 0, pageHeader, pageHeaders),
		IgnoreUnknownQuery:  r.oneOf("grpc-edge:unknownQueryParameters", "refuse", "ignore") == "ignore",
		Underscores:         underscores[r.oneOf("grpc-edge:underscoreHeaders", "drop", "refuse", "allow")],
		MaxStreams:          uint32(r.integer("grpc-edge:maxStreamsPerConnection", 1, 10_000)),

		ClientCA:                  r.clientCA(),
		ClientCertificateRequired: r.boolean("grpc-edge:clientCertificateRequired"),

		AllowedClients: r.prefixes("grpc-edge:allowedClients"),
		DeniedClients:  r.prefixes("grpc-edge:deniedClients"),
		Issuers:        r.issuers("grpc-edge:jwtIssuers"),
		Rules:          r.rules("grpc-edge:rules"),
		ClientRate:     envoy.Rate{PerSecond: uint32(r.integer("grpc-edge:clientCallsPerSecond", 0, 1_000_000))},

		MaxDeadline:      r.seconds("grpc-edge:maxDeadlineSeconds", 0, 86_400),
		MaxConnectionAge: r.seconds("grpc-edge:maxConnectionAgeSeconds", 0, 86_400),

		LeastRequest: r.oneOf("grpc-edge:balance", "round-robin", "least-request") == "least-request",
	}
}

func (r *reader) clientCA() string {
	const key, required = "grpc-edge:clientCaPem", "grpc-edge:clientCertificateRequired"
	ca, _ := r.text(key)
	if must, _ := r.get(required); ca == "" && must == "true" {
		r.report(required, "is true, but there is no %s to verify certificates of clients with; set that, or this to false", key)
	}
	return ca
}

func (r *reader) prefixes(key string) []netip.Prefix {
	list, ok := parsePrefixes(r.list(key, 0, anything, allowedPrefixes))
	if !ok {
		value, _ := r.get(key)
		r.refuse(key, value, allowedPrefixes)
	}
	return list
}

const allowedPrefixes = "a list of CIDR blocks, such as [10.0.0.0/8, 2001:db8::/32]"

func parsePrefixes(texts []string) (list []netip.Prefix, ok bool) {
	for _, text := range texts {
		prefix, err := netip.ParsePrefix(text)
		if err != nil || prefix != prefix.Masked() || prefix.Addr().Is4In6() {
			return nil, false
		}
		list = append(list, prefix)
	}
	return list, true
}

func (r *reader) issuers(key string) []envoy.Issuer {
	items := objects[struct {
		Name      string   `json:"name"`
		Issuer    string   `json:"issuer"`
		Audiences []string `json:"audiences"`
		JWKS      string   `json:"jwks"`
		JWKSURI   string   `json:"jwksUri"`
	}](r, key)
	var list []envoy.Issuer
	for _, item := range items {
		list = append(list, envoy.Issuer(item))
	}
	return list
}

func (r *reader) rules(key string) []envoy.Rule {
	items := objects[struct {
		Service        string   `json:"service"`
		Method         string   `json:"method"`
		Authority      string   `json:"authority"`
		Issuers        []string `json:"issuers"`
		Clients        []string `json:"clients"`
		CallsPerSecond uint32   `json:"callsPerSecond"`
		Burst          uint32   `json:"burst"`
	}](r, key)
	var list []envoy.Rule
	for i, item := range items {
		clients, ok := parsePrefixes(item.Clients)
		if !ok {
			r.report(key, "[%d].clients is %q; it must be %s", i, item.Clients, allowedPrefixes)
		}
		list = append(list, envoy.Rule{
			Service: protoreflect.FullName(item.Service), Method: protoreflect.Name(item.Method), Authority: item.Authority,
			Issuers: item.Issuers, Clients: clients,
			Rate: envoy.Rate{PerSecond: item.CallsPerSecond, Burst: item.Burst},
		})
	}
	return list
}

func (r *reader) canaries(key string) map[string]Canary {
	items := objects[struct {
		Service string `json:"service"`
		Stable  string `json:"stable"`
		Weight  uint32 `json:"weight"`
		Header  string `json:"header"`
		Mirror  uint32 `json:"mirror"`
	}](r, key)
	list := map[string]Canary{}
	for i, item := range items {
		at := fmt.Sprintf("[%d]", i)
		if !label.MatchString(item.Service) {
			r.report(key, "%s.service is %q; it must be the name of a service, such as echo", at, item.Service)
		}
		if _, twice := list[item.Service]; twice {
			r.report(key, "%s.service is %q, as that of an item before; keep one of them", at, item.Service)
		}
		if !digest.MatchString(item.Stable) {
			r.report(key, "%s.stable is %q; it must be the digest of the image that runs now, sha256: and 64 hexadecimal digits, "+
				"as in the output images", at, item.Stable)
		}
		if item.Weight > 100 || item.Mirror > 100 {
			r.report(key, "%s.weight is %d and .mirror %d; both must be percentages from 0 to 100", at, item.Weight, item.Mirror)
		}
		if !headerName.MatchString(item.Header) {
			r.report(key, "%s.header is %q; it must be empty, or a header that begins with x-, in lower case", at, item.Header)
		}
		list[item.Service] = Canary{item.Stable, envoy.Canary{Weight: item.Weight, Header: item.Header, Mirror: item.Mirror}}
	}
	return list
}

// checkZones reports a missing choice of zones for zone-aware routing, and zones without
// the one of the cluster.
func (r *reader) checkZones(c *Config) {
	if c.Edge.ZoneAware && len(c.Cluster.Zones) < 2 {
		r.report("grpc-edge:zoneAware", "is true, but grpc-edge:nodeZones names fewer than two zones; name those of the nodes, or set this to false")
	}
	if len(c.Cluster.Zones) > 0 && c.Cluster.Location != c.Region && !slices.Contains(c.Cluster.Zones, c.Cluster.Location) {
		r.report("grpc-edge:nodeZones", "is %q; it must include grpc-edge:clusterLocation %s", c.Cluster.Zones, c.Cluster.Location)
	}
}
