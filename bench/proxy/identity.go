package proxy

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"time"
)

// Authority is the host name that clients call.
const Authority = "grpc.example.com"

// Identity holds a certificate authority, a certificate for the server and one for the
// client. They are created for one run.
type Identity struct {
	ca, certificate, key string // PEM, of the authority and of the server
	authority            *x509.Certificate
	authorityKey         *ecdsa.PrivateKey
	server, client       tls.Certificate
}

// NewIdentity creates an identity with keys on the curve P-256. Public authorities issue
// such certificates, and they are fast.
func NewIdentity() (*Identity, error) {
	id := &Identity{}
	var err error
	template := certificate("bench CA")
	template.IsCA, template.BasicConstraintsValid, template.KeyUsage = true, true, x509.KeyUsageCertSign
	if id.authorityKey, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader); err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, id.authorityKey.Public(), id.authorityKey)
	if err != nil {
		return nil, err
	}
	if id.authority, err = x509.ParseCertificate(der); err != nil {
		return nil, err
	}
	id.ca = block("CERTIFICATE", der)
	if id.certificate, id.key, id.server, err = id.issue(Authority, x509.ExtKeyUsageServerAuth); err != nil {
		return nil, err
	}
	_, _, id.client, err = id.issue("client.example.com", x509.ExtKeyUsageClientAuth)
	return id, err
}

// ServerTLS returns the config of a server without a proxy in front of it.
func (id *Identity) ServerTLS() *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{id.server}, NextProtos: []string{"h2"}}
}

// ClientTLS returns the config of a client that trusts the authority. It sends the client's
// certificate if the server asks for one, which only our edge does.
func (id *Identity) ClientTLS() *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(id.authority)
	return &tls.Config{RootCAs: roots, ServerName: Authority, Certificates: []tls.Certificate{id.client}}
}

// jwks returns a key set (RFC 7517) with one key, for tokens that nobody has.
func (id *Identity) jwks() (string, error) {
	point, err := id.authorityKey.PublicKey.Bytes() // 4, then X and Y of 32 bytes each
	if err != nil {
		return "", err
	}
	encode := base64.RawURLEncoding.EncodeToString
	set, err := json.Marshal(map[string]any{"keys": []map[string]string{{
		"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "bench",
		"x": encode(point[1:33]), "y": encode(point[33:]),
	}}})
	return string(set), err
}

func (id *Identity) issue(name string, usage x509.ExtKeyUsage) (certificatePEM, keyPEM string, pair tls.Certificate, err error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", "", pair, err
	}
	template := certificate(name)
	template.DNSNames, template.ExtKeyUsage = []string{name}, []x509.ExtKeyUsage{usage}
	der, err := x509.CreateCertificate(rand.Reader, template, id.authority, key.Public(), id.authorityKey)
	if err != nil {
		return "", "", pair, fmt.Errorf("issuing the certificate of %s: %w", name, err)
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", "", pair, err
	}
	certificatePEM, keyPEM = block("CERTIFICATE", der), block("PRIVATE KEY", keyDER)
	pair, err = tls.X509KeyPair([]byte(certificatePEM), []byte(keyPEM))
	return certificatePEM, keyPEM, pair, err
}

func certificate(name string) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
}

func block(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}
