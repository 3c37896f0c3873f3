package privateca

import (
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"regexp"
	"strings"
	"time"

	"example.com/grpc-edge/sandbox/gcp"
)

// certificateResource describes certificates, which are signed when they are created. Only their
// labels change later. Deleting one revokes it, and its name stays taken ("certificates",
// Certificate Authority Service API, and the Terraform provider, which calls revoke).
var certificateResource = &gcp.Resource{
	Kind: KindCertificate, Noun: "certificate", Name: "projects/{project}/locations/{location}/caPools/{pool}/certificates/{name}",
	Permissions: gcp.Verbs{ // to revoke is an update ("certificates.revoke", Certificate Authority Service API)
		gcp.VerbCreate: gcp.On(onPool, "privateca.certificates.create"),
		gcp.VerbGet:    gcp.On(gcp.OnObject, "privateca.certificates.get"),
		gcp.VerbUpdate: gcp.On(gcp.OnObject, "privateca.certificates.update"),
		gcp.VerbDelete: gcp.On(gcp.OnObject, "privateca.certificates.update"),
	},
	Check: checkCertificate, Admit: admitCertificate, Reserved: gcp.Forever,
}

func onPool(call gcp.Call) string {
	pool, _, _ := strings.Cut(call.Name, "/certificates/")
	return pool
}

// certificateID matches the IDs of certificates and of pools ("certificates.create", and
// "caPools.create").
var certificateID = regexp.MustCompile(`^[a-zA-Z0-9_-]{1,63}$`)

// seconds matches a duration in JSON (Protocol Buffers, "Duration").
var seconds = regexp.MustCompile(`^[0-9]{1,9}(\.[0-9]{1,9})?s$`)

func checkCertificate(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p}
	for _, id := range []string{"name", "pool"} {
		c.Match(id, certificateID, "be 1-63 letters, digits, underscores and hyphens")
	}
	c.Match("lifetime", seconds, `be a number of seconds with an "s", such as 3600s`)
	if p.Has("config") {
		c.Wrong("config", "is not emulated: give pemCsr")
	}
	if csr := p.Text("pemCsr"); csr != "" {
		if _, err := parseRequest(csr); err != nil {
			c.Wrong("pemCsr", "must be a certificate signing request in PEM: %v", err)
		}
	}
	return c.Found
}

func parseRequest(text string) (*x509.CertificateRequest, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, fmt.Errorf("there is no block CERTIFICATE REQUEST")
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, err
	}
	return request, request.CheckSignature()
}

func admitCertificate(t *gcp.Change) error {
	pool, _, _ := strings.Cut(t.New.Name, "/certificates/")
	if t.Old != nil {
		stampUpdate(t)
		return nil
	}
	authority, err := authorityOf(t, pool)
	if err != nil {
		return err
	}
	request, err := parseRequest(t.New.Config.Text("pemCsr"))
	if err != nil {
		return gcp.BadRequest("Exactly one of config and pem_csr must be given: %v", err)
	}
	life, err := time.ParseDuration(t.New.Config.Text("lifetime"))
	if err != nil {
		return gcp.BadRequest("Required field 'lifetime' must be a duration: %v", err)
	}
	signed, err := authority.sign(request, life, t.Now())
	if err != nil {
		return err
	}
	stampUpdate(t)
	t.Stamp("createTime")
	t.Complete(gcp.Properties{
		"pemCertificate": signed, "pemCertificateChains": gcp.List(authority.chain),
		"issuerCertificateAuthority": pool + "/certificateAuthorities/issuing",
	}, nil)
	return nil
}

func stampUpdate(t *gcp.Change) {
	t.Complete(gcp.Properties{"updateTime": t.Now().UTC().Format(time.RFC3339Nano)}, nil)
}

// sign passes on what the request asks for, as a pool without a policy does ("Issuance
// policy"), for no longer than the authority itself lives ("certificates", lifetime).
func (a *authority) sign(request *x509.CertificateRequest, life time.Duration, now time.Time) (string, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return "", fmt.Errorf("choosing a serial number: %w", err)
	}
	template := &x509.Certificate{
		SerialNumber: serial, RawSubject: request.RawSubject, ExtraExtensions: request.Extensions,
		NotBefore: now, NotAfter: now.Add(life),
	}
	if template.NotAfter.After(a.certificate.NotAfter) {
		template.NotAfter = a.certificate.NotAfter
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, request.PublicKey, a.key)
	if err != nil {
		return "", fmt.Errorf("signing the certificate: %w", err)
	}
	return encodeCertificate(der), nil
}
