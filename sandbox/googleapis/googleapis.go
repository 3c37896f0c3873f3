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

// Handler routes requests by host name.
func Handler(artifactRegistry, system, kms, secrets, knowing, imagePolicy http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch host, _, _ := strings.Cut(r.Host, ":"); {
		case isArtifactRegistry(host):
			artifactRegistry.ServeHTTP(w, r)
		case host == cluster.SystemRegistry && (r.Method == http.MethodGet || r.Method == http.MethodHead):
			system.ServeHTTP(w, r)
		case slices.Contains(Asked, host) || r.Method == http.MethodGet && asked(host, r.URL.Path):
			knowing.ServeHTTP(w, r)
		case host == KMS:
			kms.ServeHTTP(w, r)
		case host == cluster.SecretManager:
			secrets.ServeHTTP(w, r)
		case host == cluster.BinaryAuthorization:
			imagePolicy.ServeHTTP(w, r)
		default:
			http.Error(w, "no such service", http.StatusNotFound)
		}
	})
}

// asked reports whether a request to an API with other uses only asks whether the API knows the
// project.
func asked(host, path string) bool {
	return host == KMS || host == cluster.BinaryAuthorization || host == cluster.SecretManager && strings.HasSuffix(path, "/secrets")
}

// Asked lists the APIs that the deployer calls only to learn whether they know the project, see
// [Knowing].
var Asked = []string{
	"artifactregistry.googleapis.com", "cloudbuild.googleapis.com", "cloudresourcemanager.googleapis.com", "compute.googleapis.com",
	"container.googleapis.com", "containeranalysis.googleapis.com", "dns.googleapis.com", "iam.googleapis.com",
	"monitoring.googleapis.com", "privateca.googleapis.com",
}

func isArtifactRegistry(host string) bool { return strings.HasSuffix(host, "-docker.pkg.dev") }

func served(host string) bool {
	return isArtifactRegistry(host) || slices.Contains(Asked, host) || slices.Contains([]string{cluster.SystemRegistry, KMS, cluster.SecretManager, cluster.BinaryAuthorization}, host)
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
