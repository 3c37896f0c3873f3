package envoy

import (
	"cmp"
	"net/netip"
	"slices"
	"time"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Config describes an edge Envoy. Only Backends is required. A field that is zero
// takes the default in its comment, or turns its feature off.
type Config struct {
	// Backends lists the backends that calls are routed to.
	Backends []Backend

	// ConfigDir and CertificateDir are absolute paths on the machine of Envoy.
	// They and the ports default to the constants of the same name.
	ConfigDir, CertificateDir string
	// The ports of the four listeners; all different.
	HTTPSPort, MetricsPort, ReadyPort, AdminPort uint32
	// DualStack takes clients on IPv6 as well as on IPv4. The other three ports and the
	// backends are on IPv4 alone.
	DualStack bool

	// Authorities lists the DNS names that clients may call. Others are refused in
	// the TLS handshake (by SNI) and by the :authority of the request, with 421 or,
	// to gRPC, UNIMPLEMENTED. A name matches with any port. An empty list accepts any.
	Authorities []string
	// ClientCA holds the CA certificates, in PEM, that verify client certificates;
	// empty asks for none. Backends get the client's identity in x-forwarded-client-cert.
	ClientCA string
	// ClientCertificateRequired refuses clients that show no certificate.
	ClientCertificateRequired bool

	// REST enables JSON over HTTP for methods with a google.api.http annotation, at
	// the annotated paths.
	REST bool
	// Origins lists the origins of web pages that may call, by gRPC-Web or REST, such
	// as https://app.example.com.
	Origins []string
	// PageRequestHeaders and PageResponseHeaders list the names, in lower case, of headers
	// that such pages may send and read besides those of gRPC-Web, tokens and traces. Pages
	// may always send the header of a canary.
	PageRequestHeaders, PageResponseHeaders []string
	// IgnoreUnknownQuery ignores query parameters of REST that match no field, instead of
	// refusing the request with 400.
	IgnoreUnknownQuery bool
	// Underscores sets how request headers with an underscore in their name are handled.
	// The zero value drops them.
	Underscores Underscores

	// AllowedClients and DeniedClients list ranges of client addresses. Without
	// AllowedClients all are allowed. DeniedClients wins. Calls of refused clients get
	// PERMISSION_DENIED.
	AllowedClients, DeniedClients []netip.Prefix
	// Issuers lists the issuers of the tokens that Rules ask for. Backends get a
	// token's claims in x-jwt-payload, in base64url, and not the token itself.
	Issuers []Issuer
	// Rules restrict who may call a service or method, and how often.
	Rules []Rule
	// ClientRate limits the calls of one client, an IPv4 address or an IPv6 network of /56, at
	// each Envoy. Further calls get RESOURCE_EXHAUSTED. The zero value is no limit.
	ClientRate Rate

	// MaxDeadline caps the grpc-timeout that a client may ask for; 0 is no cap. A
	// call without a grpc-timeout may last forever, as streams do.
	MaxDeadline time.Duration
	// MaxConnectionAge is the age of a connection at which its client is told to
	// reconnect, so that clients spread over new Envoys; 0 is never.
	MaxConnectionAge time.Duration
	// MaxStreams is the maximum number of concurrent calls on one client connection.
	// Further calls wait in the client. Default 100.
	MaxStreams uint32
	// MaxConnections is the maximum number of client connections that Envoy holds at
	// once. It closes further ones as they arrive. Default 50,000.
	MaxConnections int64
	// MemoryLimit is the memory limit of the container in bytes, at least 1 MiB. Near
	// it Envoy sheds load with UNAVAILABLE instead of being killed. 0 is no limit.
	MemoryLimit int64
	// DrainTime is the time, in whole seconds, over which a draining Envoy tells more
	// and more clients to leave. Default 15 s. The program lifecycle leaves time for it
	// if it is at most half of its budget.
	DrainTime time.Duration
	// DrainFile is the path of a file that holds "0", and "1" once clients that make no calls are to
	// leave. It changes by a rename of another file. "" is for none: a draining Envoy then
	// closes their connections when it ends.
	DrainFile string

	// LeastRequest sends a call to the least busy pod, instead of round robin.
	LeastRequest bool

	// Collector receives traces by OTLP over gRPC; nil for none.
	Collector *Collector

	// Resolvers lists the DNS servers to ask, instead of those in /etc/resolv.conf.
	Resolvers []netip.AddrPort
}

// Backend describes a set of pods and the gRPC services they serve.
type Backend struct {
	// Name is a DNS label. It names the cluster in metrics and access logs.
	Name string
	// Address is a DNS name with one A record for each pod, such as the name of a
	// headless Kubernetes Service. With a final dot it is looked up as it is,
	// without the search domains of the pod.
	Address string
	// Zones holds DNS names like Address, by zone; each lists the pods of that zone.
	// Envoy then prefers pods in its own zone (its argument --service-zone), up to that
	// zone's share of the pods. Zones must cover all pods, since Address is then not
	// looked up. Without Zones all pods are treated alike.
	Zones map[string]string
	// Port is the port the pods serve plaintext HTTP/2 on.
	Port uint32
	// Services lists the services routed here. Their options declare which methods are
	// safe to retry (idempotency_level) and their REST bindings (google.api.http).
	Services []protoreflect.ServiceDescriptor
	// Files lists more files with types that REST has to know, although no service imports them:
	// those of the details of errors, or of a google.protobuf.Any.
	Files []protoreflect.FileDescriptor
	// Canary is a second version of the backend; nil for none.
	Canary *Canary
}

// Canary describes a second version of a backend, with the same services at the
// same port.
type Canary struct {
	// Address is a DNS name like the Address of a [Backend].
	Address string
	// Weight is the share of calls that go to the canary, in percent.
	Weight uint32
	// Header is the name of a header whose value "canary" sends a call to the canary,
	// and "stable" to the first version; empty for none.
	Header string
	// Mirror is the share, in percent, of the first version's calls that are also sent
	// to the canary. Its responses are dropped. Calls that write are mirrored too.
	Mirror uint32
}

// Issuer describes an issuer of JSON Web Tokens (RFC 7519).
type Issuer struct {
	// Name is the name that rules use for it; a DNS label.
	Name string
	// Issuer is the value of the claim iss.
	Issuer string
	// Audiences lists the accepted values of the claim aud; at least one.
	Audiences []string
	// JWKS is the key set (RFC 7517) itself. JWKSURI is the HTTPS URL to fetch it from.
	// Set one of them.
	JWKS, JWKSURI string
}

// Rule applies to the calls of a service or of one of its methods. The rules of a
// method replace those of its service.
type Rule struct {
	Service protoreflect.FullName
	// Method is empty for the whole service.
	Method protoreflect.Name
	// Authority is one of Authorities: the rule applies to calls to that name. A rule
	// without Authority applies to calls to all other names. If there is no such rule, calls
	// to other names are refused, with 421 or, to gRPC, UNIMPLEMENTED.
	Authority string
	// Issuers lists names of issuers. One of them must have issued the caller's
	// token. An empty list asks for no token.
	Issuers []string
	// Clients lists the ranges of client addresses that may call; empty allows all.
	Clients []netip.Prefix
	// Rate limits all calls together, at each Envoy; the zero value is no limit.
	Rate Rate
}

// Rate describes a token bucket.
type Rate struct {
	// PerSecond is the sustained rate of calls.
	PerSecond uint32
	// Burst is the number of calls that may come at once; default PerSecond.
	Burst uint32
}

// Underscores is a policy for request headers with an underscore in their name. Many
// backends that are not gRPC read x_user and x-user as one header, and the edge writes or
// drops only x-user.
type Underscores string

// The values of [Underscores].
const (
	// DropUnderscores removes such headers from the call.
	DropUnderscores Underscores = ""
	// RefuseUnderscores refuses the call with 400, INTERNAL in gRPC, and names the header.
	RefuseUnderscores Underscores = "refuse"
	// AllowUnderscores forwards them, since gRPC metadata may have such names.
	AllowUnderscores Underscores = "allow"
)

// Collector describes an OpenTelemetry collector.
type Collector struct {
	// Address is a DNS name. Port is the port for OTLP over gRPC.
	Address string
	Port    uint32
	// Sampling is the share of calls that are traced, in percent, if the caller has
	// not decided. The calls of a sampled caller are always traced.
	Sampling float64
}

const (
	// defaultMaxConnections is the global limit in Envoy's edge guide
	// (docs/root/configuration/best_practices/edge.rst).
	defaultMaxConnections = 50_000
	defaultMaxStreams     = 100
	defaultDrainTime      = 15 * time.Second
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

// ZoneAware reports whether any backend has zones. Envoy then has to be told its own zone.
func (c Config) ZoneAware() bool {
	return slices.ContainsFunc(c.Backends, func(b Backend) bool { return len(b.Zones) > 0 })
}

// FetchesKeys reports whether Envoy fetches key sets of issuers over HTTPS.
func (c Config) FetchesKeys() bool {
	return slices.ContainsFunc(c.Issuers, func(i Issuer) bool { return i.JWKSURI != "" })
}
