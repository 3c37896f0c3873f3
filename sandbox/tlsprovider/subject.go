package tlsprovider

import (
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"net"
	"net/url"
)

// subject describes the holder of a certificate by the attributes of RFC 5280, 4.1.2.4.
type subject struct {
	CommonName         string   `json:"commonName,omitempty"`
	Country            string   `json:"country,omitempty"`
	EmailAddress       string   `json:"emailAddress,omitempty"`
	Locality           string   `json:"locality,omitempty"`
	Organization       string   `json:"organization,omitempty"`
	OrganizationalUnit string   `json:"organizationalUnit,omitempty"`
	PostalCode         string   `json:"postalCode,omitempty"`
	Province           string   `json:"province,omitempty"`
	SerialNumber       string   `json:"serialNumber,omitempty"`
	StreetAddresses    []string `json:"streetAddresses,omitempty"`
}

// emailOID is the attribute emailAddress of PKCS #9 (RFC 2985, 5.2.1), which
// pkix.Name has no field for.
var emailOID = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 1}

func (s *subject) name() pkix.Name {
	if s == nil {
		return pkix.Name{}
	}
	name := pkix.Name{
		CommonName: s.CommonName, SerialNumber: s.SerialNumber, StreetAddress: s.StreetAddresses,
		Country: list(s.Country), Locality: list(s.Locality), Organization: list(s.Organization),
		OrganizationalUnit: list(s.OrganizationalUnit), PostalCode: list(s.PostalCode), Province: list(s.Province),
	}
	if s.EmailAddress != "" {
		name.ExtraNames = []pkix.AttributeTypeAndValue{{Type: emailOID, Value: s.EmailAddress}}
	}
	return name
}

func list(value string) []string {
	if value == "" {
		return nil
	}
	return []string{value}
}

// alternativeNames holds the names and addresses that a server answers to.
type alternativeNames struct {
	DNSNames    []string `json:"dnsNames,omitempty"`
	IPAddresses []string `json:"ipAddresses,omitempty"`
	URIs        []string `json:"uris,omitempty"`
}

func (a *alternativeNames) problems() map[string]string {
	problems := map[string]string{}
	for i, text := range a.IPAddresses {
		if net.ParseIP(text) == nil {
			problems[fmt.Sprintf("ipAddresses[%d]", i)] = fmt.Sprintf("is %q, it must be an IPv4 or IPv6 address", text)
		}
	}
	for i, text := range a.URIs {
		if _, err := url.Parse(text); err != nil {
			problems[fmt.Sprintf("uris[%d]", i)] = fmt.Sprintf("must be a URI: %v", err)
		}
	}
	return problems
}

// parsed returns the addresses and URIs; problems has found them well-formed.
func (a *alternativeNames) parsed() (ips []net.IP, uris []*url.URL) {
	for _, text := range a.IPAddresses {
		ips = append(ips, net.ParseIP(text))
	}
	for _, text := range a.URIs {
		if uri, err := url.Parse(text); err == nil {
			uris = append(uris, uri)
		}
	}
	return ips, uris
}
