package tls

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"time"

	"golang.org/x/crypto/ssh"
)

// privateKey is a new key pair.
type privateKey struct {
	Algorithm  string `json:"algorithm"`  // RSA, ECDSA or ED25519
	RsaBits    int    `json:"rsaBits"`    // default 2048
	EcdsaCurve string `json:"ecdsaCurve"` // P224 (default), P256, P384 or P521
}

var curves = map[string]elliptic.Curve{
	"P224": elliptic.P224(), "P256": elliptic.P256(), "P384": elliptic.P384(), "P521": elliptic.P521(),
}

func (k *privateKey) problems() map[string]string {
	problems := map[string]string{}
	switch k.Algorithm {
	case "RSA", "ECDSA", "ED25519":
	default:
		problems["algorithm"] = fmt.Sprintf("is %q, it may be RSA, ECDSA or ED25519", k.Algorithm)
	}
	if curves[k.EcdsaCurve] == nil {
		problems["ecdsaCurve"] = fmt.Sprintf("is %q, it may be P224, P256, P384 or P521", k.EcdsaCurve)
	}
	// crypto/rsa makes no shorter keys.
	if k.RsaBits < 1024 {
		problems["rsaBits"] = fmt.Sprintf("is %d, it must be at least 1024", k.RsaBits)
	}
	return problems
}

func (k *privateKey) create(time.Time) (string, map[string]string, error) {
	key, err := k.generate()
	if err != nil {
		return "", nil, fmt.Errorf("generating an %s key: %w", k.Algorithm, err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return "", nil, fmt.Errorf("encoding the private key: %w", err)
	}
	public, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		return "", nil, fmt.Errorf("encoding the public key: %w", err)
	}
	traditional, err := traditionalPEM(key, pkcs8)
	if err != nil {
		return "", nil, err
	}
	computed := map[string]string{
		"privateKeyPem":      traditional,
		"privateKeyPemPkcs8": encodePEM("PRIVATE KEY", pkcs8),
		"publicKeyPem":       encodePEM("PUBLIC KEY", public),
	}
	if err := addSSH(computed, key); err != nil {
		return "", nil, err
	}
	id := sha1.Sum(public)
	return hex.EncodeToString(id[:]), computed, nil
}

func (k *privateKey) generate() (crypto.Signer, error) {
	switch k.Algorithm {
	case "RSA":
		return rsa.GenerateKey(rand.Reader, k.RsaBits)
	case "ECDSA":
		return ecdsa.GenerateKey(curves[k.EcdsaCurve], rand.Reader)
	default:
		_, key, err := ed25519.GenerateKey(rand.Reader)
		return key, err
	}
}

// traditionalPEM returns the key in the format older than PKCS #8 that openssl names after the
// algorithm, or in PKCS #8 where there is none.
func traditionalPEM(key crypto.Signer, pkcs8 []byte) (string, error) {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return encodePEM("RSA PRIVATE KEY", x509.MarshalPKCS1PrivateKey(k)), nil
	case *ecdsa.PrivateKey:
		der, err := x509.MarshalECPrivateKey(k)
		if err != nil {
			return "", fmt.Errorf("encoding the private key: %w", err)
		}
		return encodePEM("EC PRIVATE KEY", der), nil
	default:
		return encodePEM("PRIVATE KEY", pkcs8), nil
	}
}

// addSSH adds the forms that OpenSSH uses. They are empty for curve P224, which
// SSH does not have (RFC 5656, section 10.1).
func addSSH(computed map[string]string, key crypto.Signer) error {
	for _, name := range []string{
		"privateKeyOpenssh", "publicKeyOpenssh", "publicKeyFingerprintMd5", "publicKeyFingerprintSha256",
	} {
		computed[name] = ""
	}
	if k, ok := key.(*ecdsa.PrivateKey); ok && k.Curve == elliptic.P224() {
		return nil
	}
	block, err := ssh.MarshalPrivateKey(key, "")
	if err != nil {
		return fmt.Errorf("encoding the private key for OpenSSH: %w", err)
	}
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		return fmt.Errorf("encoding the public key for OpenSSH: %w", err)
	}
	computed["privateKeyOpenssh"] = string(pem.EncodeToMemory(block))
	computed["publicKeyOpenssh"] = string(ssh.MarshalAuthorizedKey(public))
	computed["publicKeyFingerprintMd5"] = ssh.FingerprintLegacyMD5(public)
	computed["publicKeyFingerprintSha256"] = ssh.FingerprintSHA256(public)
	return nil
}

// parseKey reads a private key in any PEM form there is, and its algorithm.
func parseKey(text string) (crypto.Signer, string, error) {
	raw, err := ssh.ParseRawPrivateKey([]byte(text))
	if err != nil {
		return nil, "", fmt.Errorf("reading the private key: %w", err)
	}
	switch key := raw.(type) {
	case *rsa.PrivateKey:
		return key, "RSA", nil
	case *ecdsa.PrivateKey:
		return key, "ECDSA", nil
	case ed25519.PrivateKey:
		return key, "ED25519", nil
	case *ed25519.PrivateKey:
		return *key, "ED25519", nil
	}
	return nil, "", errors.New("reading the private key: it is none of RSA, ECDSA and ED25519")
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
