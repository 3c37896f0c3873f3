package envoy

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"path"
	"strings"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/types/known/anypb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// certificateName links the listener to the SDS resource.
const certificateName = "server"

// downstreamTLS terminates TLS from clients. ALPN has no default in Envoy, and
// grpc-go refuses a server that selects none (grpc-go issue 7535).
//
// Sessions are resumed by tickets under keys that each Envoy makes for itself:
// another Envoy just does a full handshake. With client certificates there are no
// tickets, as a resumed session would outlive the certificate that opened it.
func downstreamTLS(c Config) *corev3.TransportSocket {
	tls := &tlsv3.DownstreamTlsContext{
		CommonTlsContext: &tlsv3.CommonTlsContext{
			AlpnProtocols: []string{"h2", "http/1.1"},
			TlsParams:     tlsParameters(),
			TlsCertificateSdsSecretConfigs: []*tlsv3.SdsSecretConfig{{
				Name: certificateName,
				SdsConfig: &corev3.ConfigSource{
					ConfigSourceSpecifier: &corev3.ConfigSource_PathConfigSource{
						PathConfigSource: &corev3.PathConfigSource{Path: path.Join(c.ConfigDir, certificateFile)},
					},
				},
			}},
		},
	}
	if c.ClientCA != "" {
		tls.CommonTlsContext.ValidationContextType = &tlsv3.CommonTlsContext_ValidationContext{
			ValidationContext: &tlsv3.CertificateValidationContext{
				TrustedCa: &corev3.DataSource{Specifier: &corev3.DataSource_InlineString{InlineString: c.ClientCA}},
			},
		}
		tls.RequireClientCertificate = wrapperspb.Bool(c.ClientCertificateRequired)
		tls.SessionTicketKeysType = &tlsv3.DownstreamTlsContext_DisableStatelessSessionResumption{DisableStatelessSessionResumption: true}
		tls.DisableStatefulSessionResumption = true
	}
	return &corev3.TransportSocket{
		Name:       "envoy.transport_sockets.tls",
		ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: typed(tls)},
	}
}

// tlsParameters returns Mozilla's intermediate settings (Server Side TLS 5.7), without
// finite-field Diffie-Hellman, which BoringSSL lacks, and without P-384. The list has
// the suites of TLS 1.2 only: those of 1.3 cannot be chosen. It is explicit because
// Envoy's defaults, the same today, change over time.
func tlsParameters() *tlsv3.TlsParameters {
	return &tlsv3.TlsParameters{
		TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_2,
		TlsMaximumProtocolVersion: tlsv3.TlsParameters_TLSv1_3, // Envoy's default as a client is 1.2
		CipherSuites: []string{
			"[ECDHE-ECDSA-AES128-GCM-SHA256|ECDHE-ECDSA-CHACHA20-POLY1305]",
			"[ECDHE-RSA-AES128-GCM-SHA256|ECDHE-RSA-CHACHA20-POLY1305]",
			"ECDHE-ECDSA-AES256-GCM-SHA384",
			"ECDHE-RSA-AES256-GCM-SHA384",
		},
		// The first protects traffic recorded now from quantum computers later. It is not
		// among Envoy's defaults.
		EcdhCurves: []string{"X25519MLKEM768", "X25519", "P-256"},
	}
}

// forwardIdentity passes the identity of a verified client to backends in
// x-forwarded-client-cert. A header of that name from a client is always dropped.
func forwardIdentity(c Config, manager *hcmv3.HttpConnectionManager) {
	if c.ClientCA == "" {
		return // Envoy's default is to drop the header
	}
	manager.ForwardClientCertDetails = hcmv3.HttpConnectionManager_SANITIZE_SET
	manager.SetCurrentClientCertDetails = &hcmv3.HttpConnectionManager_SetCurrentClientCertDetails{
		Subject: wrapperspb.Bool(true), Uri: true, Dns: true,
	}
}

// certificateResources returns the content of the SDS file: a certificate in the
// layout of a Kubernetes TLS Secret.
//
// The kubelet renews a Secret by renaming the folder's ..data link. That leaves
// tls.crt and tls.key themselves untouched, so the watch is on the folder. A
// certificate named in the bootstrap rather than by SDS is never read again (envoy
// issue 10387).
func certificateResources(dir string) *discoveryv3.DiscoveryResponse {
	return &discoveryv3.DiscoveryResponse{
		Resources: []*anypb.Any{typed(&tlsv3.Secret{
			Name: certificateName,
			Type: &tlsv3.Secret_TlsCertificate{TlsCertificate: &tlsv3.TlsCertificate{
				CertificateChain: file(path.Join(dir, "tls.crt")),
				PrivateKey:       file(path.Join(dir, "tls.key")),
				WatchedDirectory: &corev3.WatchedDirectory{Path: dir},
			}},
		})},
	}
}

func file(name string) *corev3.DataSource {
	return &corev3.DataSource{Specifier: &corev3.DataSource_Filename{Filename: name}}
}

func (c Config) validateTLS() error {
	if c.ClientCA == "" {
		if c.ClientCertificateRequired {
			return fmt.Errorf("%s: true needs a ClientCA to verify certificates with", "ClientCertificateRequired")
		}
		return nil
	}
	if err := validCertificates(c.ClientCA); err != nil {
		return fmt.Errorf("ClientCA: %w; give certificates of authorities in PEM, and nothing else", err)
	}
	return nil
}

// PEMBlocks returns the number of blocks that a text begins or ends, those included that
// [pem.Decode] skips because it can't read them.
func PEMBlocks(text string) int {
	return max(strings.Count(text, "-----BEGIN"), strings.Count(text, "-----END"))
}

// validCertificates accepts one or more certificates of authorities.
func validCertificates(text string) error {
	rest, blocks := []byte(text), PEMBlocks(text)
	for ; strings.TrimSpace(string(rest)) != ""; blocks-- {
		var block *pem.Block
		block, rest = pem.Decode(rest)
		if block == nil {
			return errors.New("holds text that is not PEM")
		}
		if block.Type != "CERTIFICATE" {
			return fmt.Errorf("holds a %s", block.Type)
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return fmt.Errorf("reading a certificate: %w", err)
		}
		if !certificate.IsCA {
			return fmt.Errorf("the certificate of %q is not that of an authority", certificate.Subject)
		}
	}
	if blocks > 0 {
		return errors.New("holds a block that is not PEM; is a line of it missing?")
	}
	return nil
}
