package envoy_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"math/big"
	"net/netip"
	"strings"
	"testing"

	"example.com/grpc-edge/envoy"
)

// TestFilesRefusesAccess checks that wrong settings of who may call are refused.
func TestFilesRefusesAccess(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		change func(*envoy.Config)
		want   []string
	}{
		"authority with port":  {func(c *envoy.Config) { c.Authorities = []string{"a.example:443"} }, []string{`Authorities[0]: "a.example:443"`}},
		"authority upper case": {func(c *envoy.Config) { c.Authorities = []string{"A.example"} }, []string{`Authorities[0]: "A.example"`}},
		"authority with dot":   {func(c *envoy.Config) { c.Authorities = []string{"a.example."} }, []string{`Authorities[0]: "a.example."`}},
		"authority is address": {func(c *envoy.Config) { c.Authorities = []string{"192.0.2.1"} }, []string{`Authorities[0]: "192.0.2.1"`}},
		"authority twice":      {func(c *envoy.Config) { c.Authorities = []string{"a.b", "a.b"} }, []string{"Authorities[1]", "Authorities[0]"}},
		"client CA not PEM":    {func(c *envoy.Config) { c.ClientCA = "secret" }, []string{"ClientCA: holds text that is not PEM"}},
		"client CA and text":   {func(c *envoy.Config) { c.ClientCA = certificate(t, true) + "more" }, []string{"ClientCA: holds text"}},
		"client CA after a wrong line": {func(c *envoy.Config) {
			c.ClientCA = "-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n" + certificate(t, true)
		}, []string{"ClientCA: holds a block that is not PEM"}},
		"client CA is a key":    {func(c *envoy.Config) { c.ClientCA = block("PRIVATE KEY", nil) }, []string{"ClientCA: holds a PRIVATE KEY"}},
		"client CA is broken":   {func(c *envoy.Config) { c.ClientCA = block("CERTIFICATE", nil) }, []string{"ClientCA: reading"}},
		"client CA is a leaf":   {func(c *envoy.Config) { c.ClientCA = certificate(t, false) }, []string{"ClientCA:", "not that of an authority"}},
		"required without a CA": {func(c *envoy.Config) { c.ClientCertificateRequired = true }, []string{"ClientCertificateRequired", "ClientCA"}},
		"denied range with bits": {
			func(c *envoy.Config) { c.DeniedClients = []netip.Prefix{netip.MustParsePrefix("10.0.0.1/8")} },
			[]string{"DeniedClients[0]: 10.0.0.1/8"}},
		"denied range mapped": {
			func(c *envoy.Config) { c.DeniedClients = []netip.Prefix{netip.MustParsePrefix("::ffff:10.0.0.0/104")} },
			[]string{"DeniedClients[0]: ::ffff:10.0.0.0/104", "IPv4"}},
		"allowed range zero": {
			func(c *envoy.Config) { c.AllowedClients = make([]netip.Prefix, 1) }, []string{"AllowedClients[0]"}},
		"memory in MB":       {func(c *envoy.Config) { c.MemoryLimit = 512 }, []string{"MemoryLimit: 512"}},
		"negative memory":    {func(c *envoy.Config) { c.MemoryLimit = -1 }, []string{"MemoryLimit: -1"}},
		"burst without rate": {func(c *envoy.Config) { c.ClientRate.Burst = 1 }, []string{"ClientRate.PerSecond: 0"}},
		"issuer's name":      {func(c *envoy.Config) { c.Issuers[0].Name = "a b" }, []string{`Issuers[0].Name: "a b"`}},
		"issuer twice":       {func(c *envoy.Config) { c.Issuers[1].Name = "one" }, []string{"Issuers[1].Name", "Issuers[0]"}},
		"issuer empty":       {func(c *envoy.Config) { c.Issuers[0].Issuer = "" }, []string{`Issuers[0].Issuer: ""`}},
		"issuer not text":    {func(c *envoy.Config) { c.Issuers[0].Issuer = "\xff" }, []string{`Issuers[0].Issuer: "\xff"`}},
		"no audience":        {func(c *envoy.Config) { c.Issuers[1].Audiences = nil }, []string{"Issuers[1].Audiences: none"}},
		"empty audience":     {func(c *envoy.Config) { c.Issuers[1].Audiences[0] = "" }, []string{`Issuers[1].Audiences[0]: ""`}},
		"no keys":            {func(c *envoy.Config) { c.Issuers[0].JWKS = "" }, []string{"Issuers[0]", "JWKS or JWKSURI"}},
		"keys twice":         {func(c *envoy.Config) { c.Issuers[1].JWKS = jwks }, []string{"Issuers[1]", "JWKS or JWKSURI"}},
		"keys not JSON":      {func(c *envoy.Config) { c.Issuers[0].JWKS = "keys" }, []string{"Issuers[0].JWKS"}},
		"no key in the set":  {func(c *envoy.Config) { c.Issuers[0].JWKS = `{"keys":[]}` }, []string{"Issuers[0].JWKS"}},
		"a secret as key":    {func(c *envoy.Config) { c.Issuers[0].JWKS = `{"keys":[{"kty":"oct","k":"AA"}]}` }, []string{"Issuers[0].JWKS"}},
		"a private key": {
			func(c *envoy.Config) { c.Issuers[0].JWKS = `{"keys":[{"kty":"EC","d":"AA"}]}` }, []string{"Issuers[0].JWKS"}},
		"a public key and a secret": {
			func(c *envoy.Config) {
				c.Issuers[0].JWKS = strings.Replace(jwks, `{"kty"`, `{"kty":"oct","k":"AA"},{"kty"`, 1)
			},
			[]string{"Issuers[0].JWKS"}},
		"a point not on the curve": {
			func(c *envoy.Config) { c.Issuers[0].JWKS = strings.Replace(jwks, "f83O", "f83P", 1) }, []string{"Issuers[0].JWKS"}},
		"a short key":           {func(c *envoy.Config) { c.Issuers[0].JWKS = `{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"}]}` }, []string{"Issuers[0].JWKS"}},
		"keys by plain HTTP":    {func(c *envoy.Config) { c.Issuers[1].JWKSURI = "http://a.example/jwks" }, []string{"Issuers[1].JWKSURI"}},
		"keys from an address":  {func(c *envoy.Config) { c.Issuers[1].JWKSURI = "https://192.0.2.1/jwks" }, []string{"Issuers[1].JWKSURI"}},
		"keys with a password":  {func(c *envoy.Config) { c.Issuers[1].JWKSURI = "https://a:b@a.example/jwks" }, []string{"Issuers[1].JWKSURI"}},
		"keys from port 0":      {func(c *envoy.Config) { c.Issuers[1].JWKSURI = "https://a.example:0/jwks" }, []string{"Issuers[1].JWKSURI"}},
		"rule for no service":   {func(c *envoy.Config) { c.Rules[0].Service = "api.Ech" }, []string{`Rules[0].Service: "api.Ech"`}},
		"rule for no method":    {func(c *envoy.Config) { c.Rules[0].Method = "Ech" }, []string{`Rules[0].Method: "Ech"`, "api.Echo"}},
		"rule twice":            {func(c *envoy.Config) { c.Rules[1] = c.Rules[0] }, []string{"Rules[1]", "Rules[0]"}},
		"rule for no authority": {func(c *envoy.Config) { c.Rules[0].Authority = "c.example" }, []string{`Rules[0].Authority: "c.example"`, "one of Authorities"}},
		"rule twice by a name": {
			func(c *envoy.Config) { c.Rules[0].Authority = "a.example"; c.Rules[1] = c.Rules[0] },
			[]string{"Rules[1]", "Rules[0]"}},
		"rule for unknown issuer": {func(c *envoy.Config) { c.Rules[0].Issuers = []string{"thre"} }, []string{`Rules[0].Issuers[0]: "thre"`}},
		"rule's rate":             {func(c *envoy.Config) { c.Rules[1].Rate.PerSecond = 0 }, []string{"Rules[1].Rate.PerSecond: 0"}},
		"rule's clients": {
			func(c *envoy.Config) { c.Rules[1].Clients = []netip.Prefix{netip.MustParsePrefix("::1/64")} },
			[]string{"Rules[1].Clients[0]: ::1/64"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			config := guarded(t)
			test.change(&config)
			refused(t, config, test.want)
		})
	}
}

// jwks holds a key set with a public key.
const jwks = `{"keys":[{"kty":"EC","crv":"P-256","kid":"one","alg":"ES256",` +
	`"x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU","y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]}` // RFC 7515, A.3.1

// guarded returns a configuration that has issuers, and rules for its services.
func guarded(t testing.TB) envoy.Config {
	t.Helper()
	config := tutorial(t)
	config.Authorities = []string{"a.example", "b.example"}
	config.Issuers = []envoy.Issuer{
		{Name: "one", Issuer: "https://one.example", Audiences: []string{"api"}, JWKS: jwks},
		{Name: "two", Issuer: "https://two.example", Audiences: []string{"api", "web"}, JWKSURI: "https://two.example:8443/jwks?all"},
	}
	config.Rules = []envoy.Rule{
		{Service: "api.Echo", Issuers: []string{"two", "one"}},
		{Service: "api.Reverse", Method: "Reverse", Rate: envoy.Rate{PerSecond: 10, Burst: 20}},
	}
	return config
}

// certificate returns a certificate in PEM, of an authority or not.
func certificate(t testing.TB, authority bool) string {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), IsCA: authority, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return block("CERTIFICATE", der)
}

func block(kind string, content []byte) string {
	return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: content}))
}
