package config

import (
	"bytes"
	"cmp"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"example.com/grpc-edge/envoy"
)

// Kinds of certificates.
const (
	SelfSigned                  = "self-signed"
	Provided                    = "provided"
	CertManager                 = "cert-manager"
	CertificateAuthorityService = "certificate-authority-service"
)

// Certificate describes the certificate that Envoy presents to clients.
type Certificate struct {
	Kind string
	// LifetimeDays is the lifetime of the certificate, unless it is provided.
	LifetimeDays int
	// PEM is the chain of a provided certificate, leaf first. KeyPEM is its private key, a
	// secret.
	PEM, KeyPEM string
	// Issuer is the issuer that cert-manager uses.
	Issuer Issuer
	// Pool is the CA pool of Certificate Authority Service.
	Pool Pool
}

// OwnAuthority reports whether clients have to be given an authority that the stack knows.
func (c Certificate) OwnAuthority() bool {
	return c.Kind == SelfSigned || c.Kind == CertificateAuthorityService
}

// Issuer is an issuer of cert-manager in the cluster.
type Issuer struct {
	Name string `json:"name"`
	// Kind is a key of IssuerGroups.
	Kind string `json:"kind"`
	// IPAddress requests the IP address in the certificate besides the DNS names.
	IPAddress bool `json:"ipAddress"`
	// Wait is the longest time that an update waits for the certificate.
	Wait time.Duration `json:"-"`
}

// Pool is a CA pool: projects/Project/locations/Location/caPools/Name.
type Pool struct{ Project, Location, Name string }

// IssuerGroups maps kinds of issuers to their API groups: cert-manager's own ("Issuer
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

// certificateKinds maps each kind to the keys that only it uses.
var certificateKinds = map[string][]string{
	SelfSigned: nil, Provided: {chainKey, keyKey}, CertManager: {issuerKey}, CertificateAuthorityService: {poolKey},
}

// certificate reads the keys of the certificate. No error message contains the private key.
func (r *reader) certificate(authorities []string) Certificate {
	c := Certificate{
		Kind: r.oneOf("grpc-edge:certificate", SelfSigned, Provided, CertManager, CertificateAuthorityService),
		// The certificate is renewed in its last third, which is longer than the 14 days of
		// the alert. No certificate of a public authority lives longer than 398 days
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
		r.checkPair(chain, key, authorities)
		c.PEM, c.KeyPEM = chain, key
	case CertManager:
		c.Issuer = issuer
	case CertificateAuthorityService:
		c.Pool = pool
	}
	return c
}

// refuseUnused reports keys that are set for another kind of certificate.
func (r *reader) refuseUnused(kind string) {
	for other, keys := range certificateKinds {
		for _, key := range keys {
			if value, _ := r.get(key); other != kind && value != "" && value != "{}" {
				r.report(key, "is set, but grpc-edge:certificate is %q; set that to %s, or remove this from the file of the stack", kind, other)
			}
		}
	}
}

// issuerName matches the name of a Kubernetes object ("Object Names and IDs", Kubernetes).
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

// caPool matches the name of a pool (Certificate Authority Service API, caPools.create: the
// form of its ID).
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

// checkPair checks the chain and its key as a client would, but before deployment.
func (r *reader) checkPair(chain, key string, authorities []string) {
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
	if _, err := tls.X509KeyPair([]byte(chain), []byte(key)); err != nil {
		r.report(keyKey, "must be the private key of the first certificate in %s: %v", chainKey, err)
		return
	}
	certificates, problem := parseChain(chain)
	if problem == "" {
		problem = cmp.Or(checkLeaf(certificates[0], authorities, time.Now()), checkChain(certificates, time.Now()))
	}
	if problem != "" {
		r.report(chainKey, "%s", problem)
		return
	}
	r.warnings = append(r.warnings, weaknesses(certificates)...)
}

// parseChain reads every block; [tls.X509KeyPair] parses only the first. Envoy refuses the
// whole chain if one certificate is broken.
func parseChain(chain string) (certificates []*x509.Certificate, problem string) {
	rest := []byte(chain)
	for {
		var block *pem.Block
		if block, rest = pem.Decode(rest); block == nil {
			if envoy.PEMBlocks(chain) > len(certificates) {
				return nil, "has a block that is not PEM; is a line of it missing?"
			}
			return certificates, ""
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Sprintf("holds a %s; leave only certificates", block.Type)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Sprintf("has a certificate at place %d that can't be read: %v", len(certificates)+1, err)
		}
		certificates = append(certificates, certificate)
	}
}

// checkLeaf returns why no client would accept the certificate or Envoy would not serve it;
// "" if there is no reason.
func checkLeaf(leaf *x509.Certificate, authorities []string, now time.Time) string {
	problem := cmp.Or(checkTimes(leaf, now), checkNames(leaf, authorities))
	switch {
	case problem != "":
		return problem
	case !servableKey(leaf):
		return fmt.Sprintf("has a key of %s, which Envoy does not serve or clients do not take; use ECDSA on P-256, or RSA with 2048 to 8192 bits", keyKind(leaf))
	case leaf.KeyUsage != 0 && leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0:
		return "has a key usage without digital signature, which Envoy does not serve; have it issued for TLS servers"
	case !forServers(leaf):
		return "has an extended key usage without TLS server authentication, which no client takes; have it issued for TLS servers"
	}
	return ""
}

// checkNames returns which names the certificate does not cover; "" for none.
func checkNames(leaf *x509.Certificate, authorities []string) string {
	var missing []string
	for _, name := range authorities {
		if leaf.VerifyHostname(name) != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) == 0 {
		return ""
	}
	return fmt.Sprintf("is for %s, not for %s of %s; change one of them",
		strings.Join(leaf.DNSNames, ", "), strings.Join(missing, ", "), authoritiesKey)
}

func checkTimes(certificate *x509.Certificate, now time.Time) string {
	switch {
	case now.After(certificate.NotAfter):
		return fmt.Sprintf("expired on %s; renew it", certificate.NotAfter.Format(time.DateOnly))
	case now.Before(certificate.NotBefore):
		return fmt.Sprintf("is not valid before %s; use one that is valid now", certificate.NotBefore.Format(time.DateOnly))
	}
	return ""
}

// checkChain returns why clients could not verify the chain from the leaf upwards; "" if
// they can.
func checkChain(certificates []*x509.Certificate, now time.Time) string {
	for i, certificate := range certificates {
		if selfSigned := bytes.Equal(certificate.RawSubject, certificate.RawIssuer); !selfSigned && slices.Contains(brokenSignatures, certificate.SignatureAlgorithm) {
			return fmt.Sprintf("has the certificate of %s at place %d, signed with %s, which no client of today takes; have it issued again",
				certificate.Subject, i+1, certificate.SignatureAlgorithm)
		}
	}
	for i, issuer := range certificates[1:] {
		if problem := checkTimes(issuer, now); problem != "" {
			return fmt.Sprintf("has the certificate of %s at place %d, which %s", issuer.Subject, i+2, problem)
		}
		if !servableKey(issuer) {
			return fmt.Sprintf("has the certificate of %s at place %d with a key of %s, which clients do not take; have it issued again", issuer.Subject, i+2, keyKind(issuer))
		}
		if err := certificates[i].CheckSignatureFrom(issuer); err != nil {
			return fmt.Sprintf("has the certificate of %s at place %d, which has not signed the one before (%v); order them from the leaf upwards, each followed by its issuer",
				issuer.Subject, i+2, err)
		}
	}
	return ""
}

// brokenSignatures lists signature algorithms that can be forged (RFC 9155).
var brokenSignatures = []x509.SignatureAlgorithm{x509.MD5WithRSA, x509.SHA1WithRSA, x509.ECDSAWithSHA1}

// leastRSA is the smallest RSA key in bits that Envoy serves (its ServerContextImpl refuses
// smaller ones), and mostRSA the largest that clients in Go take (golang/go issue 61460).
const leastRSA, mostRSA = 2048, 8192

// servableKey reports whether Envoy serves a certificate with this kind of key, as
// TestServableCertificates sees with a real Envoy, and clients take it.
func servableKey(certificate *x509.Certificate) bool {
	switch key := certificate.PublicKey.(type) {
	case *rsa.PublicKey:
		return key.N.BitLen() >= leastRSA && key.N.BitLen() <= mostRSA
	case *ecdsa.PublicKey:
		return key.Curve != elliptic.P224()
	case ed25519.PublicKey:
		return true
	}
	return false
}

// keyKind returns the usual name of the kind of key.
func keyKind(certificate *x509.Certificate) string {
	switch key := certificate.PublicKey.(type) {
	case *rsa.PublicKey:
		return fmt.Sprintf("RSA with %d bits", key.N.BitLen())
	case *ecdsa.PublicKey:
		return "ECDSA on " + key.Params().Name
	}
	return certificate.PublicKeyAlgorithm.String()
}

func forServers(leaf *x509.Certificate) bool {
	return len(leaf.ExtKeyUsage)+len(leaf.UnknownExtKeyUsage) == 0 ||
		slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageServerAuth) || slices.Contains(leaf.ExtKeyUsage, x509.ExtKeyUsageAny)
}

// weaknesses returns warnings about certificates that Envoy serves but few clients accept.
func weaknesses(certificates []*x509.Certificate) []string {
	var list []string
	for i, certificate := range certificates {
		curve, onCurve := certificate.PublicKey.(*ecdsa.PublicKey)
		if _, ed := certificate.PublicKey.(ed25519.PublicKey); !ed && (!onCurve || curve.Curve != elliptic.P521()) {
			continue
		}
		place := ""
		if i > 0 {
			place = fmt.Sprintf(" at place %d", i+1)
		}
		list = append(list, fmt.Sprintf("%s has a key of %s%s, which no browser takes; ECDSA on P-256 works everywhere", chainKey, keyKind(certificate), place))
	}
	return list
}
