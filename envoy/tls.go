package envoy

import (
	"path"

	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	discoveryv3 "github.com/envoyproxy/go-control-plane/envoy/service/discovery/v3"
	"google.golang.org/protobuf/types/known/anypb"
)

// certificateName links the listener to the SDS resource.
const certificateName = "server"

// downstreamTLS ends TLS from clients. ALPN has no default in Envoy, and
// grpc-go refuses a server that selects none (grpc-go issue 7535).
func downstreamTLS(configDir string) *corev3.TransportSocket {
	return &corev3.TransportSocket{
		Name: "envoy.transport_sockets.tls",
		ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: typed(&tlsv3.DownstreamTlsContext{
			CommonTlsContext: &tlsv3.CommonTlsContext{
				AlpnProtocols: []string{"h2", "http/1.1"},
				TlsParams:     &tlsv3.TlsParameters{TlsMinimumProtocolVersion: tlsv3.TlsParameters_TLSv1_2},
				TlsCertificateSdsSecretConfigs: []*tlsv3.SdsSecretConfig{{
					Name: certificateName,
					SdsConfig: &corev3.ConfigSource{
						ConfigSourceSpecifier: &corev3.ConfigSource_PathConfigSource{
							PathConfigSource: &corev3.PathConfigSource{Path: path.Join(configDir, certificateFile)},
						},
					},
				}},
			},
		})},
	}
}

// certificateResources is the content of the SDS file: a certificate in the
// layout of a Kubernetes TLS Secret.
//
// The kubelet renews a Secret by renaming the directory's ..data link, which
// leaves tls.crt and tls.key themselves untouched; the watch is on the directory
// because only there is something to see. A certificate named in the bootstrap
// rather than by SDS is never read again (envoy issue 10387).
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
