package config

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"time"
)

const (
	chainKey = "grpc-edge:certificatePem"
	keyKey   = "grpc-edge:certificateKeyPem"
)

// certificate reads the three keys of the certificate. No message holds the
// private key.
func (r *reader) certificate(authority string) Certificate {
	mode := r.oneOf("grpc-edge:certificate", "self-signed", "provided")
	chain, _ := r.text(chainKey)
	key, _ := r.text(keyKey)
	if key != "" && !r.secret(keyKey) {
		r.report(keyKey, "is not encrypted; remove it from the file and use: pulumi config set --secret certificateKeyPem < key.pem")
	}
	if mode == "provided" {
		r.checkPair(chain, key, authority)
		return Certificate{PEM: chain, KeyPEM: key}
	}
	for name, value := range map[string]string{chainKey: chain, keyKey: key} {
		if value != "" {
			r.report(name, "is set, but grpc-edge:certificate is %q; set that to provided, or remove this with: pulumi config rm %s", mode, name)
		}
	}
	return Certificate{}
}

// checkPair finds before deployment what a client would find after it.
func (r *reader) checkPair(chain, key, authority string) {
	chainBlock, _ := pem.Decode([]byte(chain))
	isChain := chainBlock != nil && chainBlock.Type == "CERTIFICATE"
	if !isChain {
		r.report(chainKey, "must be a PEM certificate chain, leaf first, as grpc-edge:certificate is provided")
	}
	keyBlock, _ := pem.Decode([]byte(key))
	isKey := keyBlock != nil && strings.HasSuffix(keyBlock.Type, "PRIVATE KEY")
	if !isKey {
		r.report(keyKey, "must be a PEM private key without a passphrase, as grpc-edge:certificate is provided")
	}
	if !isChain || !isKey {
		return
	}
	pair, err := tls.X509KeyPair([]byte(chain), []byte(key))
	if err != nil {
		r.report(keyKey, "must be the private key of the first certificate in %s: %v", chainKey, err)
		return
	}
	if problem := checkLeaf(pair.Leaf, authority, time.Now()); problem != "" {
		r.report(chainKey, "%s", problem)
	}
}

func checkLeaf(leaf *x509.Certificate, authority string, now time.Time) string {
	switch {
	case now.After(leaf.NotAfter):
		return fmt.Sprintf("expired on %s; renew it", leaf.NotAfter.Format(time.DateOnly))
	case now.Before(leaf.NotBefore):
		return fmt.Sprintf("is not valid before %s; use one that is valid now", leaf.NotBefore.Format(time.DateOnly))
	case leaf.VerifyHostname(authority) != nil:
		return fmt.Sprintf("is for %s, not for grpc-edge:authority %s; change one of them", strings.Join(leaf.DNSNames, ", "), authority)
	}
	return ""
}
