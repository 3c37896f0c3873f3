package tlsprovider

import (
	"crypto"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
	"time"
)

// The values of allowedUses that stacks have: key usages (RFC 5280, 4.2.1.3) and an extended one
// (4.2.1.12).
var (
	keyUsages = map[string]x509.KeyUsage{
		"digital_signature": x509.KeyUsageDigitalSignature,
		"cert_signing":      x509.KeyUsageCertSign,
		"crl_signing":       x509.KeyUsageCRLSign,
	}
	extendedKeyUsages = map[string]x509.ExtKeyUsage{"server_auth": x509.ExtKeyUsageServerAuth}
)

// certificate holds the inputs that both kinds of certificate have.
type certificate struct {
	AllowedUses         []string `json:"allowedUses"`
	ValidityPeriodHours float64  `json:"validityPeriodHours"`
	EarlyRenewalHours   float64  `json:"earlyRenewalHours"` // default 0
}

func (c *certificate) problems() map[string]string {
	problems := map[string]string{}
	for i, use := range c.AllowedUses {
		_, plain := keyUsages[use]
		if _, extended := extendedKeyUsages[use]; !plain && !extended {
			known := append(slices.Collect(maps.Keys(keyUsages)), slices.Collect(maps.Keys(extendedKeyUsages))...)
			slices.Sort(known)
			problems[fmt.Sprintf("allowedUses[%d]", i)] = fmt.Sprintf(
				"is %q; the sandbox emulates only %s", use, strings.Join(known, ", "))
		}
	}
	if c.ValidityPeriodHours < 0 {
		problems["validityPeriodHours"] = "is negative, it must be a number of hours"
	}
	if c.EarlyRenewalHours < 0 {
		problems["earlyRenewalHours"] = "is negative, it must be a number of hours"
	}
	return problems
}

// sign completes the template and signs it with the parent's key. A nil parent
// is the certificate itself.
func (c *certificate) sign(
	template, parent *x509.Certificate, public crypto.PublicKey, signer crypto.Signer, now time.Time,
) (string, map[string]string, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128))
	if err != nil {
		return "", nil, fmt.Errorf("choosing a serial number: %w", err)
	}
	template.SerialNumber = serial
	template.NotBefore = now.UTC().Truncate(time.Second)
	template.NotAfter = template.NotBefore.Add(time.Duration(c.ValidityPeriodHours * float64(time.Hour)))
	template.BasicConstraintsValid = true
	for _, use := range c.AllowedUses {
		template.KeyUsage |= keyUsages[use]
		if extended, ok := extendedKeyUsages[use]; ok {
			template.ExtKeyUsage = append(template.ExtKeyUsage, extended)
		}
	}
	if parent == nil {
		parent = template
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, public, signer)
	if err != nil {
		return "", nil, fmt.Errorf("signing the certificate: %w", err)
	}
	return serial.String(), map[string]string{
		"certPem":           encodePEM("CERTIFICATE", der),
		"validityStartTime": template.NotBefore.Format(time.RFC3339),
		"validityEndTime":   template.NotAfter.Format(time.RFC3339),
	}, nil
}

// keyID returns the SHA-1 hash of the public key's bits: RFC 5280, 4.2.1.2, method 1.
func keyID(public crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("encoding the public key: %w", err)
	}
	var info struct {
		Algorithm pkix.AlgorithmIdentifier
		Key       asn1.BitString
	}
	if _, err := asn1.Unmarshal(der, &info); err != nil {
		return nil, fmt.Errorf("reading the public key: %w", err)
	}
	id := sha1.Sum(info.Key.RightAlign())
	return id[:], nil
}

// selfSignedCert is a certificate signed with its own key.
type selfSignedCert struct {
	certificate
	Subject         *subject `json:"subject,omitempty"`
	PrivateKeyPem   string   `json:"privateKeyPem"`
	IsCACertificate bool     `json:"isCaCertificate"` // default false
	SetSubjectKeyID bool     `json:"setSubjectKeyId"` // default false
}

func (c *selfSignedCert) problems() map[string]string {
	problems := c.certificate.problems()
	if _, err := parseKey(c.PrivateKeyPem); err != nil {
		problems["privateKeyPem"] = err.Error()
	}
	if c.IsCACertificate && c.Subject == nil {
		problems["subject"] = "is missing, an authority must have one (RFC 5280, 4.1.2.6)"
	}
	return problems
}

func (c *selfSignedCert) create(now time.Time) (string, map[string]string, error) {
	key, err := parseKey(c.PrivateKeyPem)
	if err != nil {
		return "", nil, err
	}
	template := &x509.Certificate{Subject: c.Subject.name(), IsCA: c.IsCACertificate}
	if c.IsCACertificate || c.SetSubjectKeyID {
		if template.SubjectKeyId, err = keyID(key.Public()); err != nil {
			return "", nil, err
		}
	}
	id, computed, err := c.sign(template, nil, key.Public(), key, now)
	if err != nil {
		return "", nil, err
	}
	computed["keyAlgorithm"] = algorithm
	return id, computed, nil
}

// locallySignedCert is a certificate for a request, signed by an authority
// whose key the program has.
type locallySignedCert struct {
	certificate
	CertRequestPem  string `json:"certRequestPem"`
	CACertPem       string `json:"caCertPem"`
	CAPrivateKeyPem string `json:"caPrivateKeyPem"`
}

func (c *locallySignedCert) parse() (request *x509.CertificateRequest, ca *x509.Certificate, key crypto.Signer, problems map[string]string) {
	problems = map[string]string{}
	der, err := decodePEM("CERTIFICATE REQUEST", c.CertRequestPem)
	if err == nil {
		request, err = x509.ParseCertificateRequest(der)
	}
	if err != nil {
		problems["certRequestPem"] = err.Error()
	}
	der, err = decodePEM("CERTIFICATE", c.CACertPem)
	if err == nil {
		ca, err = x509.ParseCertificate(der)
	}
	if err != nil {
		problems["caCertPem"] = err.Error()
	}
	if key, err = parseKey(c.CAPrivateKeyPem); err != nil {
		problems["caPrivateKeyPem"] = err.Error()
	}
	return request, ca, key, problems
}

func (c *locallySignedCert) problems() map[string]string {
	_, _, _, problems := c.parse()
	maps.Copy(problems, c.certificate.problems())
	return problems
}

func (c *locallySignedCert) create(now time.Time) (string, map[string]string, error) {
	request, ca, key, problems := c.parse()
	if len(problems) > 0 {
		return "", nil, errors.New(fmt.Sprint(problems))
	}
	template := &x509.Certificate{RawSubject: request.RawSubject, DNSNames: request.DNSNames, IPAddresses: request.IPAddresses}
	id, computed, err := c.sign(template, ca, request.PublicKey, key, now)
	if err != nil {
		return "", nil, err
	}
	computed["caKeyAlgorithm"] = algorithm
	return id, computed, nil
}
