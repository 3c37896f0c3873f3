package privateca

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"math/big"
	"os"
	"time"

	"example.com/grpc-edge/sandbox/gcp"
)

// authority signs for a CA pool. Like keys, pools exist without being created: they stand for a
// company's pools, which a stack only asks. Each region of a project has one, of the tier
// Enterprise. A root signs its issuing authority.
type authority struct {
	certificate *x509.Certificate
	key         crypto.Signer
	chain       []string // PEM, from the issuer to the root
}

// emulatedPool is the ID of each pool.
const emulatedPool = "grpc-edge"

// authorityOf opens the authority of a pool, which is made when it is first asked. Its
// key is a file in the cloud's folder: Google keeps it in Cloud KMS.
func authorityOf(t *gcp.Change, pool string) (*authority, error) {
	if gcp.LastSegment(pool) != emulatedPool {
		return nil, &gcp.Error{Code: 404, Reason: "notFound", Message: fmt.Sprintf(
			"Resource '%s' was not found: the sandbox emulates only the pool %s of each region.", pool, emulatedPool)}
	}
	file := t.Cloud().KeyFile(pool)
	text, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		if text, err = newAuthority(t.Now()); err == nil {
			err = gcp.KeepKey(file, text)
		}
	}
	if err != nil {
		return nil, fmt.Errorf("opening the authority of %s: %w", pool, err)
	}
	return readAuthority(text)
}

// newAuthority creates a root and, signed by it, the issuing authority. The root's key is not
// needed afterwards.
func newAuthority(now time.Time) ([]byte, error) {
	rootKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	root, issuing := authorityTemplate("root", 10, now), authorityTemplate("issuing", 5, now)
	rootDER, err := x509.CreateCertificate(rand.Reader, root, root, rootKey.Public(), rootKey)
	if err != nil {
		return nil, err
	}
	issuingDER, err := x509.CreateCertificate(rand.Reader, issuing, root, key.Public(), rootKey)
	if err != nil {
		return nil, err
	}
	keyDER, err := x509.MarshalPKCS8PrivateKey(key)
	text := encodeCertificate(issuingDER) + encodeCertificate(rootDER)
	return append([]byte(text), pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: keyDER})...), err
}

func authorityTemplate(name string, years int, now time.Time) *x509.Certificate {
	return &x509.Certificate{
		SerialNumber: big.NewInt(int64(years)), Subject: pkix.Name{CommonName: emulatedPool + " " + name},
		NotBefore: now, NotAfter: now.AddDate(years, 0, 0),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
	}
}

func readAuthority(text []byte) (*authority, error) {
	a := &authority{}
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			return nil, errors.New("reading the authority: its file has no private key")
		}
		if block.Type == "PRIVATE KEY" {
			key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
			if err != nil {
				return nil, fmt.Errorf("reading the authority's key: %w", err)
			}
			if a.certificate, err = certificateOf(a.chain); err != nil {
				return nil, err
			}
			a.key = key.(crypto.Signer) // every key of PKCS #8 that signs is one
			return a, nil
		}
		a.chain, text = append(a.chain, encodeCertificate(block.Bytes)), rest
	}
}

func certificateOf(chain []string) (*x509.Certificate, error) {
	if len(chain) == 0 {
		return nil, errors.New("reading the authority: its file has no certificate")
	}
	block, _ := pem.Decode([]byte(chain[0]))
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading the authority's certificate: %w", err)
	}
	return certificate, nil
}

func encodeCertificate(der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}))
}
