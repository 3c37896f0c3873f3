package binaryauthorization

import (
	"cmp"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"net/url"
	"regexp"

	"example.com/grpc-edge/sandbox/gcp"
)

// attestorResource describes attestors. A policy may require an attestor's attestations: those
// that are attached to its note and signed with one of its keys ("projects.attestors", Binary
// Authorization API).
var attestorResource = &gcp.Resource{
	Kind: KindAttestor, Noun: "attestor", Name: "projects/{project}/attestors/{name}",
	Permissions: gcp.CRUD("binaryauthorization.attestors"),
	Check:       checkAttestor, Admit: admitAttestor,
}

const attestorNote = "attestationAuthorityNote"

// attestorID matches an ID that can be one segment of a name; the API's page documents no other
// rule.
var attestorID = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]*$`)

func checkAttestor(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p}
	c.Match("name", attestorID, "be letters, digits, periods, underscores and hyphens")
	for i, key := range p.Objects(attestorNote + ".publicKeys") {
		path := fmt.Sprintf("%s.publicKeys[%d]", attestorNote, i)
		pkix := key.Object("pkixPublicKey")
		switch id := key.Text("id"); {
		case pkix == nil:
			c.Wrong(path, "only keys with pkixPublicKey are emulated")
		case id != "" && !isURI(id):
			c.Wrong(path+".id", "%q is not a URI as in RFC 3986, such as //cloudkms.googleapis.com/v1/ and the name of a key's version", id)
		}
		if text := pkix.Text("publicKeyPem"); text != "" {
			if _, err := publicKey(text); err != nil {
				c.Wrong(path+".pkixPublicKey.publicKeyPem", "%v", err)
			}
		}
		if a := pkix.Text("signatureAlgorithm"); a != "" && a != signingAlgorithm && a != "EC_SIGN_P256_SHA256" { // two names of one
			c.Wrong(path+".pkixPublicKey.signatureAlgorithm", "%q does not match the key, or is not emulated: %s is", a, signingAlgorithm)
		}
	}
	return c.Found
}

// signingAlgorithm is the algorithm of the emulated keys, as Binary Authorization names it.
const signingAlgorithm = "ECDSA_P256_SHA256"

// isURI reports whether a string is a URI reference with a scheme or an authority (RFC 3986).
func isURI(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme != "" || u.Host != "")
}

// publicKey reads a key of P-256 (RFC 7468, section 13).
func publicKey(text string) (*ecdsa.PublicKey, error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil || block.Type != "PUBLIC KEY" {
		return nil, errors.New("it is not a PEM block of type PUBLIC KEY")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("it is not a public key: %w", err)
	}
	ec, ok := key.(*ecdsa.PublicKey)
	if !ok || ec.Params().BitSize != 256 {
		return nil, errors.New("only keys of the curve P-256 are emulated")
	}
	return ec, nil
}

func admitAttestor(t *gcp.Change) error {
	note := t.New.Config.Object(attestorNote)
	if _, err := noteOf(t, note.Text("noteReference")); err != nil {
		return err
	}
	t.Updated()
	made := gcp.Properties{
		"delegationServiceAccountEmail": fmt.Sprintf("service-%s@gcp-sa-binaryauthorization.iam.gserviceaccount.com", gcp.ProjectNumber(t.New.Project())),
	}
	var keys []any
	for _, key := range note.Objects("publicKeys") {
		named := key.Clone()
		named["id"] = cmp.Or(key.Text("id"), digestID(key.Text("pkixPublicKey.publicKeyPem")))
		keys = append(keys, named)
	}
	if len(keys) > 0 {
		made["publicKeys"] = keys
	}
	t.New.Status[attestorNote] = made
	return nil
}

// digestID returns the default ID of a key: its digest, named as in RFC 6920
// ("projects.attestors", PkixPublicKey).
func digestID(text string) string {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return ""
	}
	sum := sha256.Sum256(block.Bytes)
	return "ni:///sha-256;" + base64.RawURLEncoding.EncodeToString(sum[:])
}
