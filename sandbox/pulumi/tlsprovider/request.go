package tlsprovider

import (
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"encoding/hex"
	"fmt"
	"time"
)

// certRequest asks an authority for a certificate (PKCS #10).
type certRequest struct {
	alternativeNames
	Subject       *subject `json:"subject,omitempty"`
	PrivateKeyPem string   `json:"privateKeyPem"`
}

func (c *certRequest) problems() map[string]string {
	problems := c.alternativeNames.problems()
	if _, err := parseKey(c.PrivateKeyPem); err != nil {
		problems["privateKeyPem"] = err.Error()
	}
	return problems
}

func (c *certRequest) create(time.Time) (string, map[string]string, error) {
	key, err := parseKey(c.PrivateKeyPem)
	if err != nil {
		return "", nil, err
	}
	template := &x509.CertificateRequest{Subject: c.Subject.name(), DNSNames: c.DNSNames, IPAddresses: c.addresses()}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		return "", nil, fmt.Errorf("signing the request: %w", err)
	}
	id := sha1.Sum(der)
	return hex.EncodeToString(id[:]), map[string]string{
		"certRequestPem": encodePEM("CERTIFICATE REQUEST", der), "keyAlgorithm": algorithm,
	}, nil
}
