package config

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
)

// Kinds of certificates.
const (
	SelfSigned                  = "self-signed"
	Provided                    = "provided"
	CertManager                 = "cert-manager"
	CertificateAuthorityService = "certificate-authority-service"
)

// Certificate is what Envoy shows to clients.
type Certificate struct {
	Kind string
	// LifetimeDays is how long it lives, unless it is provided.
	LifetimeDays int
	// PEM is the chain of a provided one, leaf first, and KeyPEM its private key, a
	// secret.
	PEM, KeyPEM string
	// Issuer is whom cert-manager asks.
	Issuer Issuer
	// Pool is that of Certificate Authority Service.
	Pool Pool
}

// OwnAuthority says whether clients have to be given the authority, which the stack
// knows.
func (c Certificate) OwnAuthority() bool {
	return c.Kind == SelfSigned || c.Kind == CertificateAuthorityService
}

// Issuer is one of cert-manager, in the cluster.
type Issuer struct {
	Name string `json:"name"`
	// Kind is a key of IssuerGroups.
	Kind string `json:"kind"`
	// IPAddress asks for the address besides the name.
	IPAddress bool `json:"ipAddress"`
	// Wait is how long an update waits for the certificate.
	Wait time.Duration `json:"-"`
}

// Pool is a CA pool: projects/Project/locations/Location/caPools/Name.
type Pool struct{ Project, Location, Name string }

// IssuerGroups are the API groups of kinds of issuers: cert-manager's own ("Issuer
// configuration"), and those of the issuer for Certificate Authority Service
// (google-cas-issuer, "Configuring the Issuer").
var IssuerGroups = map[string]string{
	"Issuer": "cert-manager.io", "ClusterIssuer": "cert-manager.io",
	"GoogleCASIssuer": "cas-issuer.jetstack.io", "GoogleCASClusterIssuer": "cas-issuer.jetstack.io",
}

const (
	chainKey  = "grpc-edge:certificatePem"
	keyKey    = "grpc-edge:certificateKeyPem"
	issuerKey = "grpc-edge:certificateIssuer"
	poolKey   = "grpc-edge:certificateAuthorityPool"
)

// certificateKinds are the kinds, each with the keys that are for it alone.
var certificateKinds = map[string][]string{
	SelfSigned: nil, Provided: {chainKey, keyKey}, CertManager: {issuerKey}, CertificateAuthorityService: {poolKey},
}

// certificate reads the keys of the certificate. No message holds the private key.
func (r *reader) certificate(authority string) Certificate {
	c := Certificate{
		Kind: r.oneOf("grpc-edge:certificate", SelfSigned, Provided, CertManager, CertificateAuthorityService),
		// The last third, in which it is renewed, is longer than the 14 days of the
		// alert. No certificate of a public authority lives longer than 398 days
		// (CA/Browser Forum, Baseline Requirements, 6.3.2).
		LifetimeDays: r.integer("grpc-edge:certificateLifetimeDays", 45, 398),
	}
	chain, _ := r.text(chainKey)
	key, _ := r.text(keyKey)
	if key != "" && !r.secret(keyKey) {
		r.report(keyKey, "is not encrypted; remove it from the file and use: pulumi config set --secret certificateKeyPem < key.pem")
	}
	r.refuseUnused(c.Kind)
	issuer, pool := r.issuer(c.Kind), r.pool(c.Kind)
	switch c.Kind {
	case Provided:
		r.checkPair(chain, key, authority)
		c.PEM, c.KeyPEM = chain, key
	case CertManager:
		c.Issuer = issuer
	case CertificateAuthorityService:
		c.Pool = pool
	}
	return c
}

// refuseUnused reports what is set for another kind of certificate.
func (r *reader) refuseUnused(kind string) {
	for other, keys := range certificateKinds {
		for _, key := range keys {
			if value, _ := r.get(key); other != kind && value != "" && value != "{}" {
				r.report(key, "is set, but grpc-edge:certificate is %q; set that to %s, or remove this with: pulumi config rm %s", kind, other, key)
			}
		}
	}
}

// issuerName is that of an object ("Object Names and IDs", Kubernetes).
var issuerName = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)

func (r *reader) issuer(kind string) Issuer {
	var issuer Issuer
	r.object(issuerKey, &issuer)
	issuer.Wait = r.seconds("grpc-edge:certificateWaitSeconds", 10, 24*60*60)
	kinds := slices.Sorted(maps.Keys(IssuerGroups))
	switch {
	case kind != CertManager:
	case !issuerName.MatchString(issuer.Name):
		r.report(issuerKey, "has the name %q; it must be that of an issuer in the cluster, as grpc-edge:certificate is cert-manager", issuer.Name)
	case !slices.Contains(kinds, issuer.Kind):
		r.report(issuerKey, "has the kind %q; it must be one of %s", issuer.Kind, strings.Join(kinds, ", "))
	}
	return issuer
}

// caPool is the name of a pool (Certificate Authority Service API, caPools.create:
// the form of its ID).
var caPool = regexp.MustCompile(`^projects/([a-z][a-z0-9-]{4,28}[a-z0-9])/locations/([a-z]+-[a-z]+[0-9]{1,2})/caPools/([a-zA-Z0-9_-]{1,63})$`)

func (r *reader) pool(kind string) Pool {
	value, ok := r.text(poolKey)
	parts := caPool.FindStringSubmatch(value)
	if parts != nil {
		return Pool{Project: parts[1], Location: parts[2], Name: parts[3]}
	}
	if ok && kind == CertificateAuthorityService {
		r.refuse(poolKey, value, "projects/PROJECT/locations/REGION/caPools/POOL, as grpc-edge:certificate is certificate-authority-service")
	}
	return Pool{}
}

// checkPair finds before deployment what a client would find after it.
func (r *reader) checkPair(chain, key, authority string) {
	chainBlock, _ := pem.Decode([]byte(chain))
	isChain := chainBlock != nil && chainBlock.Type == "CERTIFICATE"
	if !isChain {
		r.report(chainKey, "must be a PEM certificate chain, leaf first, as grpc-edge:certificate is provided")
	}
	keyBlock, _ := pem.Decode([]byte(key))
	isKey := keyBlock != nil && strings.HasSuffix(keyBlock.Type, "PRIVATE KEY")
	if !isKey {
		r.report(keyKey, "must be a PEM private key without a passphrase, as grpc-edge:certificate is provided")
	}
	if !isChain || !isKey {
		return
	}
	pair, err := tls.X509KeyPair([]byte(chain), []byte(key))
	if err != nil {
		r.report(keyKey, "must be the private key of the first certificate in %s: %v", chainKey, err)
		return
	}
	if problem := checkLeaf(pair.Leaf, authority, time.Now()); problem != "" {
		r.report(chainKey, "%s", problem)
	}
}

func checkLeaf(leaf *x509.Certificate, authority string, now time.Time) string {
	switch {
	case now.After(leaf.NotAfter):
		return fmt.Sprintf("expired on %s; renew it", leaf.NotAfter.Format(time.DateOnly))
	case now.Before(leaf.NotBefore):
		return fmt.Sprintf("is not valid before %s; use one that is valid now", leaf.NotBefore.Format(time.DateOnly))
	case leaf.VerifyHostname(authority) != nil:
		return fmt.Sprintf("is for %s, not for grpc-edge:authority %s; change one of them", strings.Join(leaf.DNSNames, ", "), authority)
	}
	return ""
}
