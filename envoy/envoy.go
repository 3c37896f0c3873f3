// Package envoy turns a list of gRPC backends into the configuration of the
// Envoy at the edge: TLS in, one route for each gRPC service, requests balanced
// one by one over the pods behind a DNS name. It knows nothing of Pulumi,
// Kubernetes objects or Google Cloud.
//
// Each concern is one file (listener, tls, route, cluster, …), built from
// go-control-plane messages rather than text, so a misspelt field does not
// compile. Envoy 1.39 supports all fields, and none is deprecated.
package envoy

import (
	"fmt"
	"path"
	"strconv"
)

// The defaults of [Config] for where Envoy finds its files and where it listens.
const (
	// ConfigDir is the folder where the files of [Files] are mounted.
	ConfigDir = "/etc/envoy"
	// CertificateDir is the folder where a Kubernetes TLS Secret is mounted: tls.crt
	// and tls.key.
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
	// bootstrapFile is the configuration file that Envoy starts with.
	bootstrapFile = "envoy.json"
	// certificateFile is the SDS resource that the bootstrap points at.
	certificateFile = "certificate.json"
)

// Files returns the files to mount at [ConfigDir], by name. The same Config
// gives the same bytes. The error lists everything that is wrong with the Config.
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

// Args returns the arguments of the envoy program in its container. With zones, one
// of them is $(ZONE). The container then needs an environment variable ZONE with the
// zone of its node; Kubernetes inserts the value.
//
// Hot restart is off: it needs shared memory and a socket, and a pod is never
// restarted in place. Without it Envoy writes to no file system. The access log is
// flushed every second; Envoy's default is ten seconds. During a drain the share of
// clients that are told to leave grows with time, so that they do not all reconnect
// to other Envoys at the same moment.
func Args(config Config) []string {
	config = config.withDefaults()
	args := []string{
		"--config-path", path.Join(config.ConfigDir, bootstrapFile),
		"--disable-hot-restart",
		"--drain-strategy", "gradual",
		"--drain-time-s", strconv.Itoa(int(config.DrainTime.Seconds())),
		"--file-flush-interval-msec", "1000",
		"--log-level", "warning",
	}
	if len(config.zones()) > 0 {
		args = append(args, "--service-zone", "$("+zoneVariable+")")
	}
	return args
}
