package envoy

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	clusterv3 "github.com/envoyproxy/go-control-plane/envoy/config/cluster/v3"
	corev3 "github.com/envoyproxy/go-control-plane/envoy/config/core/v3"
	jwtv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/http/jwt_authn/v3"
	hcmv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/filters/network/http_connection_manager/v3"
	tlsv3 "github.com/envoyproxy/go-control-plane/envoy/extensions/transport_sockets/tls/v3"
	matcherv3 "github.com/envoyproxy/go-control-plane/envoy/type/matcher/v3"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

// tokenFilterName is the name, in routes, of the filter that asks for a token.
const tokenFilterName = "envoy.filters.http.jwt_authn"

// payloadHeader holds the claims of a verified token for backends: its payload, in
// base64url as in the token.
const payloadHeader = "x-jwt-payload"

// systemCAs is the file with the certificate authorities that Envoy's image trusts.
const systemCAs = "/etc/ssl/certs/ca-certificates.crt"

// keysTimeout is the timeout of one attempt to fetch the keys of an issuer.
const keysTimeout = 5 * time.Second

// tokenFilters returns the filters that require a JSON Web Token where a rule asks for
// one. A call without a valid token gets UNAUTHENTICATED, or 401. A token for another
// audience gets PERMISSION_DENIED, or 403. The token must come as "authorization:
// Bearer" (RFC 6750, section 2.1), and not in the path, which ends up in logs.
//
// A token is valid until a minute after its expiry, Envoy's allowance for clock skew.
// A token that never expires is not valid. Backends get its claims, and not the token,
// with which they could call others in the caller's name.
func tokenFilters(c Config) []*hcmv3.HttpFilter {
	config := &jwtv3.JwtAuthentication{
		Providers:      map[string]*jwtv3.JwtProvider{},
		RequirementMap: map[string]*jwtv3.JwtRequirement{},
	}
	for _, issuer := range c.Issuers {
		config.Providers[issuer.Name] = issuer.provider()
	}
	for _, rule := range c.Rules {
		if len(rule.Issuers) > 0 {
			config.RequirementMap[requirementName(rule.Issuers)] = anyIssuer(rule.Issuers)
		}
	}
	if len(config.RequirementMap) == 0 {
		return nil
	}
	return []*hcmv3.HttpFilter{off(httpFilter(tokenFilterName, config))}
}

func (i Issuer) provider() *jwtv3.JwtProvider {
	provider := &jwtv3.JwtProvider{
		Issuer:               i.Issuer,
		Audiences:            i.Audiences,
		RequireExpiration:    true,
		FromHeaders:          []*jwtv3.JwtHeader{{Name: "authorization", ValuePrefix: "Bearer "}},
		ForwardPayloadHeader: payloadHeader,
	}
	if i.JWKSURI == "" {
		provider.JwksSourceSpecifier = &jwtv3.JwtProvider_LocalJwks{LocalJwks: &corev3.DataSource{
			Specifier: &corev3.DataSource_InlineString{InlineString: i.JWKS},
		}}
		return provider
	}
	provider.JwksSourceSpecifier = &jwtv3.JwtProvider_RemoteJwks{RemoteJwks: &jwtv3.RemoteJwks{
		HttpUri: &corev3.HttpUri{
			Uri:              i.JWKSURI,
			HttpUpstreamType: &corev3.HttpUri_Cluster{Cluster: i.clusterName()},
			Timeout:          durationpb.New(keysTimeout),
		},
		// Before calls come, rather than while the first one waits; and again each
		// ten minutes, or a second after it failed. Until then the old keys hold.
		AsyncFetch:  &jwtv3.JwksAsyncFetch{},
		RetryPolicy: &corev3.RetryPolicy{NumRetries: wrapperspb.UInt32(2)},
	}}
	return provider
}

// requirementName names the requirement that one of the issuers has issued the
// token, in whatever order they are given.
func requirementName(issuers []string) string {
	return strings.Join(slices.Sorted(slices.Values(issuers)), " or ")
}

func anyIssuer(issuers []string) *jwtv3.JwtRequirement {
	var list []*jwtv3.JwtRequirement
	for _, issuer := range slices.Sorted(slices.Values(issuers)) {
		list = append(list, &jwtv3.JwtRequirement{RequiresType: &jwtv3.JwtRequirement_ProviderName{ProviderName: issuer}})
	}
	if len(list) == 1 {
		return list[0]
	}
	return &jwtv3.JwtRequirement{RequiresType: &jwtv3.JwtRequirement_RequiresAny{
		RequiresAny: &jwtv3.JwtRequirementOrList{Requirements: list},
	}}
}

// clusterName holds an underscore, so that no backend can have it.
func (i Issuer) clusterName() string { return "issuer_" + i.Name }

// issuerClusters returns the clusters from which Envoy fetches the keys of issuers.
func issuerClusters(c Config) []*clusterv3.Cluster {
	var clusters []*clusterv3.Cluster
	for _, issuer := range c.Issuers {
		if issuer.JWKSURI != "" {
			clusters = append(clusters, issuer.cluster(c.Resolvers))
		}
	}
	return clusters
}

// cluster speaks HTTP over TLS to the host of the URL, and verifies its name.
func (i Issuer) cluster(resolvers []netip.AddrPort) *clusterv3.Cluster {
	uri, _ := url.Parse(i.JWKSURI) // validated
	port, _ := strconv.ParseUint(cmp.Or(uri.Port(), "443"), 10, 16)
	discovery := dnsDiscovery(resolvers)
	discovery.RespectDnsTtl, discovery.AllAddressesInSingleEndpoint = true, true // as for a name of the internet
	return &clusterv3.Cluster{
		Name: i.clusterName(),
		ClusterDiscoveryType: &clusterv3.Cluster_ClusterType{ClusterType: &clusterv3.Cluster_CustomClusterType{
			Name:        "envoy.cluster.dns",
			TypedConfig: typed(discovery),
		}},
		ConnectTimeout:                durationpb.New(keysTimeout),
		PerConnectionBufferLimitBytes: wrapperspb.UInt32(connectionBuffer),
		LoadAssignment:                endpoint(i.clusterName(), uri.Hostname(), uint32(port)),
		TransportSocket: &corev3.TransportSocket{
			Name: "envoy.transport_sockets.tls",
			ConfigType: &corev3.TransportSocket_TypedConfig{TypedConfig: typed(&tlsv3.UpstreamTlsContext{
				Sni: uri.Hostname(),
				CommonTlsContext: &tlsv3.CommonTlsContext{
					TlsParams: tlsParameters(),
					ValidationContextType: &tlsv3.CommonTlsContext_ValidationContext{
						ValidationContext: &tlsv3.CertificateValidationContext{
							TrustedCa: file(systemCAs),
							MatchTypedSubjectAltNames: []*tlsv3.SubjectAltNameMatcher{{
								SanType: tlsv3.SubjectAltNameMatcher_DNS,
								Matcher: &matcherv3.StringMatcher{
									MatchPattern: &matcherv3.StringMatcher_Exact{Exact: uri.Hostname()},
								},
							}},
						},
					},
				},
			})},
		},
	}
}

func (c Config) validateIssuers() error {
	var errs []error
	first := map[string]int{}
	for i, issuer := range c.Issuers {
		field := fmt.Sprintf("Issuers[%d]", i)
		errs = append(errs, issuer.validate(field))
		if j, taken := first[issuer.Name]; taken {
			errs = append(errs, fmt.Errorf("%s.Name: %q is already the name of Issuers[%d]", field, issuer.Name, j))
		} else {
			first[issuer.Name] = i
		}
	}
	return errors.Join(errs...)
}

func (i Issuer) validate(field string) error {
	var errs []error
	if !dnsLabel.MatchString(i.Name) {
		errs = append(errs, fmt.Errorf("%s.Name: %q must be a DNS label: up to 63 of a-z, 0-9 and -, with - only inside", field, i.Name))
	}
	if !printable(i.Issuer) {
		errs = append(errs, fmt.Errorf("%s.Issuer: %q must be the claim iss, such as https://accounts.google.com", field, i.Issuer))
	}
	if len(i.Audiences) == 0 {
		errs = append(errs, fmt.Errorf("%s.Audiences: none given; name at least one, or tokens for others are taken", field))
	}
	for j, audience := range i.Audiences {
		if !printable(audience) {
			errs = append(errs, fmt.Errorf("%s.Audiences[%d]: %q must be a claim aud, such as https://api.example.com", field, j, audience))
		}
	}
	switch {
	case (i.JWKS == "") == (i.JWKSURI == ""):
		errs = append(errs, fmt.Errorf("%s: give either JWKS or JWKSURI", field))
	case i.JWKS != "" && !validKeySet(i.JWKS):
		errs = append(errs, fmt.Errorf("%s.JWKS: must be a JSON object whose list %q has a public RSA, EC or Ed25519 key, and no secret", field, "keys"))
	case i.JWKSURI != "" && !validKeysURI(i.JWKSURI):
		errs = append(errs, fmt.Errorf("%s.JWKSURI: %q must be an HTTPS URL of a host with a DNS name, such as https://issuer.example.com/jwks", field, i.JWKSURI))
	}
	return errors.Join(errs...)
}

// printable accepts what fits into YAML and a header as it is.
func printable(text string) bool {
	return text != "" && !strings.ContainsFunc(text, func(r rune) bool { return r < ' ' || r > '~' })
}

// validKeySet accepts a JWK Set (RFC 7517, section 5) with a key that Envoy can use,
// and with public keys only: private keys do not belong in a configuration file.
func validKeySet(text string) bool {
	var set struct{ Keys []jsonWebKey }
	if err := json.Unmarshal([]byte(text), &set); err != nil {
		return false
	}
	secret := slices.ContainsFunc(set.Keys, func(key jsonWebKey) bool { return key.D != "" || key.K != "" })
	return printable(text) && !secret && slices.ContainsFunc(set.Keys, jsonWebKey.usable)
}

// jsonWebKey holds the members of RFC 7518, section 6, and RFC 8037, section 2.
type jsonWebKey struct{ Kty, Crv, N, E, X, Y, D, K string }

// usable reports whether it is a complete public key for one of Envoy's algorithms.
func (k jsonWebKey) usable() bool {
	n, e, x, y := decode(k.N), decode(k.E), decode(k.X), decode(k.Y)
	curves := map[string]elliptic.Curve{"P-256": elliptic.P256(), "P-384": elliptic.P384(), "P-521": elliptic.P521()}
	switch curve, known := curves[k.Crv]; {
	case k.Kty == "RSA":
		return len(n) >= 2048/8 && len(e) > 0 // RFC 7518, section 3.3
	case k.Kty == "EC" && known:
		_, err := ecdsa.ParseUncompressedPublicKey(curve, slices.Concat([]byte{4}, x, y))
		return err == nil
	default:
		return k.Kty == "OKP" && k.Crv == "Ed25519" && len(x) == ed25519.PublicKeySize
	}
}

// decode decodes base64url; it returns nil for any other text.
func decode(text string) []byte {
	content, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil {
		return nil
	}
	return content
}

func validKeysURI(text string) bool {
	uri, err := url.Parse(text)
	if err != nil || !printable(text) || uri.Scheme != "https" || uri.User != nil || uri.Fragment != "" || strings.Contains(text, "#") {
		return false
	}
	if _, err := netip.ParseAddr(uri.Hostname()); err == nil || !validDNSName(uri.Hostname()) {
		return false
	}
	port, err := strconv.ParseUint(cmp.Or(uri.Port(), "443"), 10, 16)
	return err == nil && port > 0
}
