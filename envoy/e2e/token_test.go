package e2e

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/asn1"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"math/big"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"example.com/grpc-edge/envoy"
)

// claims holds the payload of a token.
type claims map[string]any

func goodClaims(issuer string) claims {
	return claims{"iss": issuer, "aud": "probe", "sub": "alice", "exp": time.Now().Add(time.Hour).Unix()}
}

func (c claims) with(key string, value any) claims {
	c[key] = value
	return c
}

// tokenKey signs tokens by RS256 or ES256 (RFC 7518, section 3.1).
type tokenKey struct {
	algorithm string
	signer    crypto.Signer
}

func newRSAKey(t *testing.T) tokenKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	return tokenKey{"RS256", key}
}

func newECKey(t *testing.T) tokenKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return tokenKey{"ES256", key}
}

// jwks returns the public key as a JWK Set (RFC 7517).
func (k tokenKey) jwks(t *testing.T) string {
	t.Helper()
	jwk := map[string]string{"kid": "one", "alg": k.algorithm, "use": "sig"}
	switch public := k.signer.Public().(type) {
	case *rsa.PublicKey:
		jwk["kty"], jwk["n"], jwk["e"] = "RSA", encode(public.N.Bytes()), encode(big.NewInt(int64(public.E)).Bytes())
	case *ecdsa.PublicKey:
		point, err := public.Bytes() // 4, X, Y
		if err != nil {
			t.Fatal(err)
		}
		jwk["kty"], jwk["crv"], jwk["x"], jwk["y"] = "EC", "P-256", encode(point[1:33]), encode(point[33:])
	}
	set, err := json.Marshal(map[string]any{"keys": []any{jwk}})
	if err != nil {
		t.Fatal(err)
	}
	return string(set)
}

// token is signed by the key, in the compact form (RFC 7515, section 3.1).
func (k tokenKey) token(t *testing.T, c claims) string {
	t.Helper()
	input := signingInput(t, k.algorithm, c)
	digest := sha256.Sum256([]byte(input))
	signature, err := k.signer.Sign(rand.Reader, digest[:], crypto.SHA256)
	if err != nil {
		t.Fatal(err)
	}
	if k.algorithm == "ES256" { // JWS has the two numbers side by side
		var pair struct{ R, S *big.Int }
		if _, err := asn1.Unmarshal(signature, &pair); err != nil {
			t.Fatal(err)
		}
		signature = make([]byte, 64)
		pair.R.FillBytes(signature[:32])
		pair.S.FillBytes(signature[32:])
	}
	return input + "." + encode(signature)
}

func signingInput(t *testing.T, algorithm string, c claims) string {
	t.Helper()
	header, err := json.Marshal(map[string]string{"alg": algorithm, "kid": "one", "typ": "JWT"})
	if err != nil {
		t.Fatal(err)
	}
	payload, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return encode(header) + "." + encode(payload)
}

func encode(b []byte) string { return base64.RawURLEncoding.EncodeToString(b) }

// withToken adds the token to a request.
func withToken(t *testing.T, token string) func(*http.Request) {
	t.Helper()
	return func(r *http.Request) {
		if token != "" {
			r.Header.Set("Authorization", "Bearer "+token)
		}
	}
}

func TestTokens(t *testing.T) {
	t.Parallel()
	rs, es, stranger := newRSAKey(t), newECKey(t), newECKey(t)
	config, backend := oneBackend(t)
	config.Issuers = []envoy.Issuer{
		{Name: "rs", Issuer: "https://rs.example.com", Audiences: []string{"probe", "other"}, JWKS: rs.jwks(t)},
		{Name: "es", Issuer: "https://es.example.com", Audiences: []string{"probe"}, JWKS: es.jwks(t)},
	}
	config.Rules = []envoy.Rule{{Service: probe, Issuers: []string{"rs", "es"}}}
	e := start(t, config)
	hour := time.Hour
	forES := func() claims { return goodClaims("https://es.example.com") }
	hmacInput := signingInput(t, "HS256", forES())
	mac := hmac.New(sha256.New, []byte(es.jwks(t)))
	mac.Write([]byte(hmacInput))
	for name, test := range map[string]struct {
		token string
		want  codes.Code
	}{
		"RS256":             {rs.token(t, goodClaims("https://rs.example.com")), codes.OK},
		"ES256":             {es.token(t, forES()), codes.OK},
		"one of audiences":  {es.token(t, forES().with("aud", []string{"x", "probe"})), codes.OK},
		"none":              {"", codes.Unauthenticated},
		"no token":          {"secret", codes.Unauthenticated},
		"expired":           {es.token(t, forES().with("exp", time.Now().Add(-hour).Unix())), codes.Unauthenticated},
		"for ever":          {es.token(t, claims{"iss": "https://es.example.com", "aud": "probe"}), codes.Unauthenticated},
		"not yet":           {es.token(t, forES().with("nbf", time.Now().Add(hour).Unix())), codes.Unauthenticated},
		"for another":       {es.token(t, forES().with("aud", "other")), codes.PermissionDenied},
		"for anybody":       {es.token(t, forES().with("aud", "")), codes.PermissionDenied},
		"unknown issuer":    {es.token(t, goodClaims("https://evil.example.com")), codes.Unauthenticated},
		"other issuer's":    {es.token(t, goodClaims("https://rs.example.com")), codes.Unauthenticated},
		"unknown key":       {stranger.token(t, forES()), codes.Unauthenticated},
		"broken signature":  {es.token(t, forES()) + "AAAA", codes.Unauthenticated},
		"not signed":        {signingInput(t, "none", forES()) + ".", codes.Unauthenticated},
		"signed by the JWK": {hmacInput + "." + encode(mac.Sum(nil)), codes.Unauthenticated},
	} {
		before := backend.calls.Load()
		got, err := e.raw(t, count, withToken(t, test.token))
		if err != nil || got.code != test.want {
			t.Errorf("a call with the token %q: %v %q, %v, want %v", name, got.code, got.message, err, test.want)
		}
		if reached := backend.calls.Load() > before; reached != (test.want == codes.OK) {
			t.Errorf("a call with the token %q reached the backend: %t", name, reached)
		}
		got, err = e.raw(t, count, func(r *http.Request) { web(r); withToken(t, test.token)(r) })
		wantStatus := map[codes.Code]int{codes.Unauthenticated: http.StatusUnauthorized, codes.PermissionDenied: http.StatusForbidden}
		if want := wantStatus[test.want]; err != nil || (want != 0 && got.status != want) {
			t.Errorf("a request with the token %q: %d, %v, want %d", name, got.status, err, want)
		}
	}
	if got, err := e.raw(t, count+"?access_token="+es.token(t, forES()), nil); err != nil || got.code != codes.Unauthenticated {
		t.Errorf("a call with a token in the path: %v, %v, want UNAUTHENTICATED", got.code, err)
	}
}

// TestClaimsReachTheBackend sends forged claims along with a good token, and checks that the
// backend gets the token's claims and not the token.
func TestClaimsReachTheBackend(t *testing.T) {
	t.Parallel()
	key := newECKey(t)
	config, _ := oneBackend(t)
	config.Issuers = []envoy.Issuer{{Name: "es", Issuer: "es", Audiences: []string{"probe"}, JWKS: key.jwks(t)}}
	config.Rules = []envoy.Rule{{Service: probe, Method: "Headers", Issuers: []string{"es"}}}
	connection := start(t, config).dial(t)
	token := key.token(t, goodClaims("es"))
	ctx := metadata.AppendToOutgoingContext(callContext(t), "authorization", "Bearer "+token, "x-jwt-payload", "forged")
	var reply wrapperspb.StringValue
	if err := connection.Invoke(ctx, headers, &emptypb.Empty{}, &reply); err != nil {
		t.Fatal(err)
	}
	received := "\n" + reply.Value
	if want := "\nx-jwt-payload: " + strings.Split(token, ".")[1] + "\n"; !strings.Contains(received, want) {
		t.Errorf("the backend received%s\nwant %q", received, want)
	}
	if strings.Contains(received, token) {
		t.Errorf("the backend received the token itself:%s", received)
	}
}

// TestRulesOfMethods has a rule for the service, and others for methods instead.
func TestRulesOfMethods(t *testing.T) {
	t.Parallel()
	key := newECKey(t)
	config, backend := oneBackend(t)
	for _, name := range []string{"staff", "people"} {
		config.Issuers = append(config.Issuers, envoy.Issuer{Name: name, Issuer: name, Audiences: []string{"probe"}, JWKS: key.jwks(t)})
	}
	config.Rules = []envoy.Rule{
		{Service: probe, Method: "Headers"},
		{Service: probe, Method: "Count", Issuers: []string{"staff"}},
		{Service: probe, Issuers: []string{"people", "staff"}},
	}
	e := start(t, config)
	staff, people := key.token(t, goodClaims("staff")), key.token(t, goodClaims("people"))
	const nosuch = "/test.Probe/NoSuch"
	for _, test := range []struct {
		method, token string
		want          codes.Code
	}{
		{headers, "", codes.OK},
		{headers, people, codes.OK},
		{count, "", codes.Unauthenticated},
		{count, people, codes.Unauthenticated},
		{count, staff, codes.OK},
		{count + "?x", "", codes.Unauthenticated},
		{"/test.Probe//./Count", people, codes.Unimplemented},
		{"/x/../test.Probe/Count", people, codes.Unimplemented},
		{nosuch, "", codes.Unauthenticated},
		{nosuch, people, codes.Unimplemented},
		{"/test.Probe/C%6funt", people, codes.Unimplemented},
		{"/test.Probe/count", "", codes.Unauthenticated},
	} {
		got, err := e.raw(t, test.method, withToken(t, test.token))
		if err != nil || got.code != test.want {
			t.Errorf("%s with a token %.20q: %v %q, %v, want %v", test.method, test.token, got.code, got.message, err, test.want)
		}
	}
	if got := backend.calls.Load(); got != 1 {
		t.Errorf("%d calls reached %s, want 1", got, count)
	}
}

// TestRemoteKeys serves the keys of an issuer as it would, over HTTPS, and
// replaces its certificate by one for another name.
func TestRemoteKeys(t *testing.T) {
	t.Parallel()
	ca := newAuthority(t)
	trusted := filepath.Join(t.TempDir(), "ca.pem")
	writeFile(t, trusted, []byte(ca.pem()))
	for name, taken := range map[string]bool{"localhost": true, "other.example.com": false} {
		key := newRSAKey(t)
		jwks := key.jwks(t)
		var fetches atomic.Int64
		issuer := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			if fetches.Add(1) == 1 { // Envoy must try again
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			_, _ = w.Write([]byte(jwks))
		}))
		certificate := ca.identity(t, &x509.Certificate{DNSNames: []string{name}, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}})
		issuer.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS13}
		issuer.Config.ErrorLog = log.New(io.Discard, "", 0) // Envoy tries again and again
		issuer.StartTLS()
		t.Cleanup(issuer.Close)

		config, _ := oneBackend(t)
		config.Issuers = []envoy.Issuer{{
			Name: "remote", Issuer: "https://localhost", Audiences: []string{"probe"},
			JWKSURI: strings.Replace(issuer.URL, "127.0.0.1", "localhost", 1) + "/jwks",
		}}
		config.Rules = []envoy.Rule{{Service: probe, Issuers: []string{"remote"}}}
		connection := start(t, config, "/etc/ssl/certs/ca-certificates.crt", trusted).dial(t, grpc.WithPerRPCCredentials(bearer(key.token(t, goodClaims("https://localhost")))))
		want := codes.OK
		if !taken {
			want = codes.Unauthenticated
		}
		eventually(t, callLimit, func() error {
			if err := callCount(t.Context(), connection); status.Code(err) != want {
				return fmt.Errorf("the keys' server has a certificate for %s: %w, want %v", name, err, want)
			}
			return nil
		})
		if (fetches.Load() > 1) != taken {
			t.Errorf("the keys' server with a certificate for %s was asked %d times", name, fetches.Load())
		}
	}
}

// bearer shows a token with each call.
type bearer string

// GetRequestMetadata implements credentials.PerRPCCredentials.
func (b bearer) GetRequestMetadata(context.Context, ...string) (map[string]string, error) {
	return map[string]string{"authorization": "Bearer " + string(b)}, nil
}

// RequireTransportSecurity implements credentials.PerRPCCredentials.
func (b bearer) RequireTransportSecurity() bool { return true }
