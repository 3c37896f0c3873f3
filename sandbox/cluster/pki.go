package cluster

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// validity is the lifetime of the sandbox's certificates, which is longer than that of any sandbox.
const validity = 10 * 365 * 24 * time.Hour

// Authority is a certificate authority kept in a folder; keys are readable by root only.
type Authority struct {
	dir  string
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

// Identity describes the holder of a certificate.
type Identity struct {
	Name          string
	Organizations []string // Kubernetes groups of a client
	DNSNames      []string
	Addresses     []netip.Addr
}

func (i Identity) ips() (ips []net.IP) {
	for _, a := range i.Addresses {
		ips = append(ips, net.IP(a.AsSlice()))
	}
	return ips
}

// has reports whether the certificate is for exactly this identity.
func (i Identity) has(cert *x509.Certificate) bool {
	return cert.Subject.CommonName == i.Name && slices.Equal(cert.Subject.Organization, i.Organizations) &&
		slices.Equal(cert.DNSNames, i.DNSNames) && slices.EqualFunc(cert.IPAddresses, i.ips(), net.IP.Equal)
}

// OpenAuthority loads the authority in dir, or makes one when dir has none.
func OpenAuthority(dir, name string) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	a := &Authority{dir: dir}
	certPEM, err := os.ReadFile(a.CertFile())
	if errors.Is(err, fs.ErrNotExist) {
		return a, a.create(name)
	}
	if err != nil {
		return nil, err
	}
	keyPEM, err := os.ReadFile(filepath.Join(dir, "ca.key"))
	if err != nil {
		return nil, err
	}
	return a, a.parse(certPEM, keyPEM)
}

// CertFile returns the path of the authority's own certificate, PEM.
func (a *Authority) CertFile() string { return filepath.Join(a.dir, "ca.crt") }

// PEM returns the authority's own certificate.
func (a *Authority) PEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: a.cert.Raw})
}

// Issue writes FILE.crt and FILE.key for identity and returns their paths. It keeps an existing
// certificate for the same identity: a restart changes nothing, and a new node with an old
// node's name gets its own.
func (a *Authority) Issue(file string, identity Identity) (cert, key string, err error) {
	cert, key = filepath.Join(a.dir, file+".crt"), filepath.Join(a.dir, file+".key")
	if pair, err := tls.LoadX509KeyPair(cert, key); err == nil && identity.has(pair.Leaf) {
		return cert, key, nil
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", err
	}
	template, err := newTemplate(pkix.Name{CommonName: identity.Name, Organization: identity.Organizations})
	if err != nil {
		return "", "", err
	}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth, x509.ExtKeyUsageServerAuth}
	template.DNSNames, template.IPAddresses = identity.DNSNames, identity.ips()
	der, err := x509.CreateCertificate(rand.Reader, template, a.cert, &private.PublicKey, a.key)
	if err != nil {
		return "", "", fmt.Errorf("issuing a certificate for %s: %w", identity.Name, err)
	}
	return cert, key, writePair(cert, key, der, private)
}

func (a *Authority) create(name string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template, err := newTemplate(pkix.Name{CommonName: name})
	if err != nil {
		return err
	}
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageCRLSign | x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return fmt.Errorf("creating the certificate authority %s: %w", name, err)
	}
	a.key = key
	if a.cert, err = x509.ParseCertificate(der); err != nil {
		return err
	}
	return writePair(a.CertFile(), filepath.Join(a.dir, "ca.key"), der, key)
}

func (a *Authority) parse(certPEM, keyPEM []byte) error {
	certBlock, _ := pem.Decode(certPEM)
	keyBlock, _ := pem.Decode(keyPEM)
	if certBlock == nil || keyBlock == nil {
		return fmt.Errorf("reading the certificate authority in %s: it is not PEM; run `make down`, then `make up`", a.dir)
	}
	var err error
	if a.cert, err = x509.ParseCertificate(certBlock.Bytes); err != nil {
		return err
	}
	a.key, err = x509.ParseECPrivateKey(keyBlock.Bytes)
	return err
}

func newTemplate(subject pkix.Name) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial, Subject: subject,
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(validity), // an hour for clocks that are set back
	}, nil
}

func writePair(cert, key string, der []byte, private *ecdsa.PrivateKey) error {
	keyDER, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		return err
	}
	if err := os.WriteFile(cert, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o644); err != nil {
		return err
	}
	return os.WriteFile(key, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: keyDER}), 0o600)
}
