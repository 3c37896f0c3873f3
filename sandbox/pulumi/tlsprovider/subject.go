package tlsprovider

import (
	"crypto/x509/pkix"
	"fmt"
	"net"
)

// subject describes the holder of a certificate (RFC 5280, 4.1.2.4), by the one attribute that
// stacks have.
type subject struct {
	CommonName string `json:"commonName,omitempty"`
}

func (s *subject) name() pkix.Name {
	if s == nil {
		return pkix.Name{}
	}
	return pkix.Name{CommonName: s.CommonName}
}

// alternativeNames holds the names and addresses that a server answers to.
type alternativeNames struct {
	DNSNames    []string `json:"dnsNames,omitempty"`
	IPAddresses []string `json:"ipAddresses,omitempty"`
}

func (a *alternativeNames) problems() map[string]string {
	problems := map[string]string{}
	for i, text := range a.IPAddresses {
		if net.ParseIP(text) == nil {
			problems[fmt.Sprintf("ipAddresses[%d]", i)] = fmt.Sprintf("is %q, it must be an IPv4 or IPv6 address", text)
		}
	}
	return problems
}

// addresses returns the parsed addresses; problems has found them well-formed.
func (a *alternativeNames) addresses() []net.IP {
	var ips []net.IP
	for _, text := range a.IPAddresses {
		ips = append(ips, net.ParseIP(text))
	}
	return ips
}
