package tlsprovider

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha1"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"time"
)

// The only keys that are emulated: no stack creates others.
const (
	algorithm = "ECDSA"
	curve     = "P256"
	rsaBits   = 2048 // the default
)

// privateKey is a new key pair.
type privateKey struct {
	Algorithm  string `json:"algorithm"`
	RsaBits    int    `json:"rsaBits"`
	EcdsaCurve string `json:"ecdsaCurve"` // default P224
}

func (k *privateKey) problems() map[string]string {
	problems := map[string]string{}
	if k.Algorithm != algorithm {
		problems["algorithm"] = fmt.Sprintf("is %q; the sandbox emulates only %s", k.Algorithm, algorithm)
	}
	if k.EcdsaCurve != curve {
		problems["ecdsaCurve"] = fmt.Sprintf("is %q; the sandbox emulates only %s", k.EcdsaCurve, curve)
	}
	if k.RsaBits != rsaBits {
		problems["rsaBits"] = fmt.Sprintf("is %d; the sandbox emulates no RSA keys", k.RsaBits)
	}
	return problems
}

func (k *privateKey) create(time.Time) (string, map[string]string, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return "", nil, fmt.Errorf("generating a key: %w", err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", nil, fmt.Errorf("encoding the private key: %w", err)
	}
	traditional, err := x509.MarshalECPrivateKey(key)
	if err != nil {
		return "", nil, fmt.Errorf("encoding the private key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return "", nil, fmt.Errorf("encoding the public key: %w", err)
	}
	id := sha1.Sum(public)
	return hex.EncodeToString(id[:]), map[string]string{
		"privateKeyPem":      encodePEM("EC PRIVATE KEY", traditional),
		"privateKeyPemPkcs8": encodePEM("PRIVATE KEY", pkcs8),
		"publicKeyPem":       encodePEM("PUBLIC KEY", public),
	}, nil
}

// parseKey reads a private key in either PEM form that privateKey has.
func parseKey(text string) (crypto.Signer, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return nil, errors.New("reading the private key: it is not PEM")
	}
	if block.Type == "EC PRIVATE KEY" {
		return x509.ParseECPrivateKey(block.Bytes)
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading the private key: %w", err)
	}
	if key, ok := key.(*ecdsa.PrivateKey); ok {
		return key, nil
	}
	return nil, fmt.Errorf("reading the private key: it is a %T; the sandbox emulates only %s", key, algorithm)
}

func encodePEM(kind string, der []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
}

// decodePEM returns the content of the first block, which must be of the kind.
func decodePEM(kind, text string) ([]byte, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != kind {
		return nil, fmt.Errorf("it must start with a PEM block of type %q", kind)
	}
	return block.Bytes, nil
}
