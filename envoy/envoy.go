// Package envoy turns a list of gRPC backends into the configuration of the
// Envoy at the edge: TLS in, one route for each gRPC service, requests balanced
// one by one over the pods behind a DNS name. It knows nothing of Pulumi,
// Kubernetes objects or Google Cloud.
//
// Each concern is one file (listener, tls, route, cluster, …), built from
// go-control-plane messages rather than text, so a misspelt field does not
// compile. Fields stay within what Envoy 1.39 knows, and none is deprecated.
package envoy

import (
	"cmp"
	"fmt"
	"net/netip"
	"path"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// Where Envoy finds its files and where it listens, unless [Config] says otherwise.
const (
	// ConfigDir is where the files of [Files] are mounted.
	ConfigDir = "/etc/envoy"
	// CertificateDir is where a Kubernetes TLS Secret is mounted: tls.crt and tls.key.
	CertificateDir = "/etc/envoy/tls"

	// HTTPSPort takes gRPC over TLS from clients.
	HTTPSPort = 8443
	// MetricsPort serves [MetricsPath] as plain HTTP, and nothing else.
	MetricsPort = 9090
	// MetricsPath answers with Prometheus text.
	MetricsPath = "/metrics"
	// ReadyPort serves [ReadyPath] as plain HTTP, and nothing else.
	ReadyPort = 8081
	// ReadyPath answers 200, or 503 once POST /healthcheck/fail on the admin
	// port has started a drain.
	ReadyPath = "/ready"
	// AdminPort is Envoy's own admin interface, on 127.0.0.1 only.
	AdminPort = 9901
)

const (
	// bootstrapFile is what Envoy is started with.
	bootstrapFile = "envoy.yaml"
	// certificateFile is the SDS resource that the bootstrap points at.
	certificateFile = "certificate.yaml"

	// maxConnections is the global limit in Envoy's edge guide
	// (docs/root/configuration/best_practices/edge.rst).
	maxConnections = 50_000
)

// Backend is one set of pods and the gRPC services they serve.
type Backend struct {
	// Name is a DNS label; it names the cluster in metrics and access logs.
	Name string
	// Address is a DNS name with one A record for each pod, such as that of a
	// headless Kubernetes Service. With a final dot it is looked up as it is,
	// which spares the lookups in a pod's search domains.
	Address string
	// Port is the port the pods serve plaintext HTTP/2 on.
	Port uint32
	// Services are the full names routed here, such as api.Echo.
	Services []protoreflect.FullName
}

// Config is all that an edge Envoy depends on. Only Backends is required: each
// other field that is zero takes the constant of the same name.
type Config struct {
	Backends []Backend

	// ConfigDir and CertificateDir are absolute paths on the machine of Envoy.
	ConfigDir, CertificateDir string

	// The ports of the four listeners; all different.
	HTTPSPort, MetricsPort, ReadyPort, AdminPort uint32

	// Resolvers are the DNS servers to ask, instead of those of /etc/resolv.conf.
	Resolvers []netip.AddrPort

	// MaxConnections is how many connections of clients Envoy holds at once; it
	// closes further ones as they arrive. Default 50,000.
	MaxConnections int64
}

// Services lists the full names of all gRPC services declared in the files, in
// order of declaration.
func Services(files ...protoreflect.FileDescriptor) []protoreflect.FullName {
	var names []protoreflect.FullName
	for _, file := range files {
		services := file.Services()
		for i := range services.Len() {
			names = append(names, services.Get(i).FullName())
		}
	}
	return names
}

// Files returns the files to mount at [ConfigDir], by name. The same Config
// gives the same bytes. The error names everything that is wrong with it.
func Files(config Config) (map[string]string, error) {
	config = config.withDefaults()
	if err := config.validate(); err != nil {
		return nil, fmt.Errorf("checking the Envoy configuration:\n%w", err)
	}
	files := map[string]string{}
	for name, message := range map[string]message{
		bootstrapFile:   bootstrap(config),
		certificateFile: certificateResources(config.CertificateDir),
	} {
		content, err := render(message)
		if err != nil {
			return nil, fmt.Errorf("writing %s: %w", name, err)
		}
		files[name] = content
	}
	return files, nil
}

// Args are the arguments of the envoy program in its container.
//
// Hot restart is off because it needs shared memory and a socket, and a pod is
// never restarted in place: without it Envoy writes to no file system. The
// access log, which Envoy flushes every ten seconds by default, is a second late.
func Args() []string {
	return []string{
		"--config-path", path.Join(ConfigDir, bootstrapFile),
		"--disable-hot-restart",
		"--file-flush-interval-msec", "1000",
		"--log-level", "warning",
	}
}

func (c Config) withDefaults() Config {
	c.ConfigDir = cmp.Or(c.ConfigDir, ConfigDir)
	c.CertificateDir = cmp.Or(c.CertificateDir, CertificateDir)
	c.HTTPSPort = cmp.Or(c.HTTPSPort, HTTPSPort)
	c.MetricsPort = cmp.Or(c.MetricsPort, MetricsPort)
	c.ReadyPort = cmp.Or(c.ReadyPort, ReadyPort)
	c.AdminPort = cmp.Or(c.AdminPort, AdminPort)
	c.MaxConnections = cmp.Or(c.MaxConnections, maxConnections)
	return c
}
