// Package googleapis answers, over TLS and at one address, for the Google hosts that
// nodes, control planes and the deployer reach: Artifact Registry, the registry of GKE's
// own images, and the few APIs that are called from outside Pulumi's provider. It stands in for
// Private Google Access.
package googleapis

import (
	"crypto/tls"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"

	"example.com/grpc-edge/sandbox/cluster"
)

// KMS is the host of Cloud KMS, where the deployer has images signed.
const KMS = "cloudkms.googleapis.com"

// Handlers routes requests by host name.
type Handlers struct {
	ArtifactRegistry, KMS, Secrets, ImagePolicy http.Handler
	// System is for the registry of GKE's own images.
	System http.Handler
	// Probes is for requests to any API, see [Probes].
	Probes http.Handler
}

// ServeHTTP answers 404 for hosts that the sandbox does not emulate.
func (h Handlers) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	switch host, _, _ := strings.Cut(r.Host, ":"); {
	case isArtifactRegistry(host):
		h.ArtifactRegistry.ServeHTTP(w, r)
	case host == cluster.SystemRegistry && (r.Method == http.MethodGet || r.Method == http.MethodHead):
		h.System.ServeHTTP(w, r)
	case slices.Contains(ProbedHosts, host) || r.Method == http.MethodGet && isProbe(host, r.URL.Path):
		h.Probes.ServeHTTP(w, r)
	case host == KMS:
		h.KMS.ServeHTTP(w, r)
	case host == cluster.SecretManager:
		h.Secrets.ServeHTTP(w, r)
	case host == cluster.BinaryAuthorization:
		h.ImagePolicy.ServeHTTP(w, r)
	default:
		http.Error(w, "no such service", http.StatusNotFound)
	}
}

// isProbe reports whether a GET request is a probe, at the host of an API that is served too.
func isProbe(host, path string) bool {
	return host == KMS || host == cluster.BinaryAuthorization || host == cluster.SecretManager && strings.HasSuffix(path, "/secrets")
}

// ProbedHosts lists the hosts of the APIs that the deployer only probes, see [Probes].
var ProbedHosts = []string{
	"artifactregistry.googleapis.com", "cloudbuild.googleapis.com", "cloudresourcemanager.googleapis.com", "compute.googleapis.com",
	"container.googleapis.com", "containeranalysis.googleapis.com", "dns.googleapis.com", "iam.googleapis.com",
	"monitoring.googleapis.com", "privateca.googleapis.com",
}

func isArtifactRegistry(host string) bool { return strings.HasSuffix(host, "-docker.pkg.dev") }

func served(host string) bool {
	return isArtifactRegistry(host) || slices.Contains(ProbedHosts, host) || slices.Contains([]string{cluster.SystemRegistry, KMS, cluster.SecretManager, cluster.BinaryAuthorization}, host)
}

// TLS issues a certificate for each host that is asked for, by the sandbox's authority.
func TLS(ca *cluster.Authority) *tls.Config {
	var mu sync.Mutex
	return &tls.Config{
		MinVersion: tls.VersionTLS12,
		NextProtos: []string{"h2", "http/1.1"},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			host := hello.ServerName
			if !served(host) || strings.Contains(host, "/") {
				return nil, fmt.Errorf("no certificate for %q", host)
			}
			mu.Lock()
			defer mu.Unlock()
			cert, key, err := ca.Issue(host, cluster.Identity{Name: host, DNSNames: []string{host}})
			if err != nil {
				return nil, err
			}
			pair, err := tls.LoadX509KeyPair(cert, key)
			return &pair, err
		},
	}
}
