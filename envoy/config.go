package envoy

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Config is all that an edge Envoy depends on. Only Backends is required: a
// field that is zero takes the default that it names, or turns its feature off.
type Config struct {
	// Backends are what calls are routed to.
	Backends []Backend

	// ConfigDir and CertificateDir are absolute paths on the machine of Envoy.
	// They and the ports default to the constants of the same name.
	ConfigDir, CertificateDir string
	// The ports of the four listeners; all different.
	HTTPSPort, MetricsPort, ReadyPort, AdminPort uint32

	// Authorities are the DNS names that clients may call; others are refused in
	// the TLS handshake (by SNI) and by the :authority of the request, with 421 or,
	// to gRPC, UNIMPLEMENTED. A name counts with any port. None accepts any.
	Authorities []string
	// ClientCA verifies certificates of clients, in PEM; empty asks for none. Who a
	// client is by its certificate is told to backends in x-forwarded-client-cert.
	ClientCA string
	// ClientCertificateRequired refuses clients that show no certificate.
	ClientCertificateRequired bool

	// REST is whether methods with a google.api.http annotation also answer JSON
	// over HTTP at the annotated paths.
	REST bool
	// Origins are those of web pages that may call, by gRPC-Web or REST, such as
	// https://app.example.com.
	Origins []string
	// PageRequestHeaders and PageResponseHeaders are names of headers that such pages may
	// send and read besides those of gRPC-Web, tokens and traces, in lower case. The header
	// of a canary is always among the first.
	PageRequestHeaders, PageResponseHeaders []string
	// IgnoreUnknownQuery takes parameters of REST's queries that no field has, instead of
	// refusing the request with 400.
	IgnoreUnknownQuery bool
	// Underscores is what becomes of request headers with an underscore in their name;
	// the zero value drops them.
	Underscores Underscores

	// AllowedClients and DeniedClients are ranges of client addresses: without
	// the first all are allowed, and the second wins. The others' calls get
	// PERMISSION_DENIED.
	AllowedClients, DeniedClients []netip.Prefix
	// Issuers are those of the tokens that Rules ask for. Backends are told a
	// token's claims in x-jwt-payload, in base64url, and not the token itself.
	Issuers []Issuer
	// Rules narrow who may call a service or method, and how often.
	Rules []Rule
	// ClientRate bounds what one client address may call, at each Envoy; further
	// calls get RESOURCE_EXHAUSTED. The zero value is no bound.
	ClientRate Rate

	// MaxDeadline caps the grpc-timeout that a client may ask for; 0 is no cap. A
	// call without one may last for ever, as streams do.
	MaxDeadline time.Duration
	// MaxConnectionAge is after how long a client is told to connect anew, so
	// that clients spread over new Envoys; default 10 minutes, negative for never.
	MaxConnectionAge time.Duration
	// MaxStreams is how many calls one connection of a client may have under way at once;
	// further ones wait in the client. Default 100.
	MaxStreams uint32
	// MaxConnections is how many connections of clients Envoy holds at once; it
	// closes further ones as they arrive. Default 50,000.
	MaxConnections int64
	// MemoryLimit is that of the container in bytes, 1 MiB at least; near it Envoy
	// refuses work with UNAVAILABLE instead of being killed. 0 is no limit.
	MemoryLimit int64
	// DrainTime is for how long Envoy tells more and more clients to go when it
	// drains, in whole seconds; default 15 s. The program lifecycle leaves time for it
	// if it is at most half of its budget.
	DrainTime time.Duration

	// LeastRequest sends a call to the least busy pod instead of to each pod in turn.
	LeastRequest bool

	// Collector receives traces by OTLP over gRPC; nil for none.
	Collector *Collector

	// Resolvers are the DNS servers to ask, instead of those of /etc/resolv.conf.
	Resolvers []netip.AddrPort
}

// Backend is one set of pods and the gRPC services they serve.
type Backend struct {
	// Name is a DNS label; it names the cluster in metrics and access logs.
	Name string
	// Address is a DNS name with one A record for each pod, such as that of a
	// headless Kubernetes Service. With a final dot it is looked up as it is,
	// which spares the lookups in a pod's search domains.
	Address string
	// Zones are DNS names like Address, of the pods in one zone each, by the name
	// of the zone: Envoy then prefers pods in its own zone, which its argument
	// --service-zone tells, as far as that zone has its part of them. They must
	// cover all pods, since Address is not asked then. None treats all pods alike.
	Zones map[string]string
	// Port is the port the pods serve plaintext HTTP/2 on.
	Port uint32
	// Services are those routed here. Their options say which methods are safe
	// to repeat (idempotency_level) and what they are in REST (google.api.http).
	Services []protoreflect.ServiceDescriptor
	// Canary is a second version of the backend; nil for none.
	Canary *Canary
}

// Canary is a second version of a backend, serving the same services at the
// same port.
type Canary struct {
	// Address is a DNS name as that of [Backend].
	Address string
	// Weight is the share of calls that go there, in percent.
	Weight uint32
	// Header is the name of a header whose value "canary" sends a call there and
	// "stable" to the first version; empty for none.
	Header string
	// Mirror is the share of the first version's calls that are also sent there, in
	// percent; what it answers is dropped. Calls that write are among them.
	Mirror uint32
}

// Issuer is who issues JSON Web Tokens (RFC 7519).
type Issuer struct {
	// Name is what rules call it; a DNS label.
	Name string
	// Issuer is the claim iss.
	Issuer string
	// Audiences are the accepted claims aud, at least one.
	Audiences []string
	// JWKS is the key set (RFC 7517) itself, or JWKSURI the HTTPS URL to fetch it from.
	JWKS, JWKSURI string
}

// Rule holds for the calls of a service or of one of its methods. The rules of a
// method replace those of its service.
type Rule struct {
	Service protoreflect.FullName
	// Method is empty for the whole service.
	Method protoreflect.Name
	// Authority is one of Authorities: the rule holds for calls by that name. The rule
	// without one holds for calls by all other names. Where there is none, calls by other
	// names are refused, with 421 or, to gRPC, UNIMPLEMENTED.
	Authority string
	// Issuers are names of those one of which must have issued the caller's
	// token; none asks for no token.
	Issuers []string
	// Clients are the ranges of client addresses that may call; none allows all.
	Clients []netip.Prefix
	// Rate bounds all calls together, at each Envoy; the zero value is no bound.
	Rate Rate
}

// Rate is a token bucket.
type Rate struct {
	// PerSecond are the calls that may be made in the long run.
	PerSecond uint32
	// Burst is how many may come at once; default is PerSecond.
	Burst uint32
}

// Underscores is what becomes of request headers with an underscore in their name. To many
// a backend that is not gRPC, x_user and x-user are one header, of which the edge writes or
// drops the second.
type Underscores string

// The values of [Underscores].
const (
	// DropUnderscores takes the call without such headers.
	DropUnderscores Underscores = ""
	// RefuseUnderscores refuses the call: by 400, or over HTTP/2 by a reset of the stream,
	// for which Envoy gives the reason in its access log alone.
	RefuseUnderscores Underscores = "refuse"
	// AllowUnderscores hands them on, as metadata of gRPC may be named so.
	AllowUnderscores Underscores = "allow"
)

// Collector is an OpenTelemetry collector.
type Collector struct {
	// Address is a DNS name, and Port where it serves OTLP over gRPC.
	Address string
	Port    uint32
	// Sampling is the share of calls that are traced, in percent, where the caller
	// has not decided; a sampled caller is always followed.
	Sampling float64
}

const (
	// defaultMaxConnections is the global limit in Envoy's edge guide
	// (docs/root/configuration/best_practices/edge.rst).
	defaultMaxConnections   = 50_000
	defaultMaxStreams       = 100
	defaultMaxConnectionAge = 10 * time.Minute
	defaultDrainTime        = 15 * time.Second
)

func (c Config) withDefaults() Config {
	c.ConfigDir = cmp.Or(c.ConfigDir, ConfigDir)
	c.CertificateDir = cmp.Or(c.CertificateDir, CertificateDir)
	c.HTTPSPort = cmp.Or(c.HTTPSPort, HTTPSPort)
	c.MetricsPort = cmp.Or(c.MetricsPort, MetricsPort)
	c.ReadyPort = cmp.Or(c.ReadyPort, ReadyPort)
	c.AdminPort = cmp.Or(c.AdminPort, AdminPort)
	c.MaxStreams = cmp.Or(c.MaxStreams, defaultMaxStreams)
	c.MaxConnections = cmp.Or(c.MaxConnections, defaultMaxConnections)
	c.MaxConnectionAge = cmp.Or(c.MaxConnectionAge, defaultMaxConnectionAge)
	c.DrainTime = cmp.Or(c.DrainTime, defaultDrainTime)
	return c
}

// Services lists all gRPC services declared in the files, in order of declaration.
func Services(files ...protoreflect.FileDescriptor) []protoreflect.ServiceDescriptor {
	var list []protoreflect.ServiceDescriptor
	for _, file := range files {
		services := file.Services()
		for i := range services.Len() {
			list = append(list, services.Get(i))
		}
	}
	return list
}

// ZoneAware says whether any backend has zones, so that Envoy has to be told its own.
func (c Config) ZoneAware() bool {
	return slices.ContainsFunc(c.Backends, func(b Backend) bool { return len(b.Zones) > 0 })
}

// FetchesKeys says whether Envoy fetches key sets of issuers over HTTPS.
func (c Config) FetchesKeys() bool {
	return slices.ContainsFunc(c.Issuers, func(i Issuer) bool { return i.JWKSURI != "" })
}
