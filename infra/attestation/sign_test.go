package attestation

import (
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"example.com/grpc-edge/internal/selfsigned"
)

// answers serves as Cloud KMS: the first element answers the first request, and so on; the
// last answers all others. An empty element stands for a signature.
type answers struct {
	key   *ecdsa.PrivateKey
	codes []int
	asked int
}

func (a *answers) RoundTrip(r *http.Request) (*http.Response, error) {
	code := a.codes[min(a.asked, len(a.codes)-1)]
	a.asked++
	var body request
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		return nil, err
	}
	text := fmt.Sprintf(`{"error": {"message": "answer %d to %s of %s"}}`, code, r.URL, r.Header.Get("Authorization"))
	if code == http.StatusOK {
		signature, err := ecdsa.SignASN1(rand.Reader, a.key, body.Digest.SHA256)
		if err != nil {
			return nil, err
		}
		signed, err := json.Marshal(response{Signature: signature})
		if err != nil {
			return nil, err
		}
		text = string(signed)
	}
	return &http.Response{StatusCode: code, Body: io.NopCloser(strings.NewReader(text)), Header: http.Header{}, Request: r}, nil
}

// TestSign checks that a signature of Cloud KMS is verified, a busy Cloud KMS is asked again, and
// an error says what is missing. It replaces the transport of all requests, so it is not parallel.
func TestSign(t *testing.T) {
	key, public := selfsigned.Key()
	_, other := selfsigned.Key()
	tests := []struct {
		name   string
		codes  []int
		public string
		asked  int
		want   string // part of the error; empty for a signature
	}{
		{"signed", []int{200}, public, 1, ""},
		{"busy once", []int{503, 200}, public, 2, ""},
		{"no right", []int{403}, public, 1, "needs roles/cloudkms.signer on it: answered 403: answer 403 to https://cloudkms.googleapis.com/v1/KEY:asymmetricSign of Bearer token"},
		{"no such version", []int{404}, public, 1, "with the key KEY: answered 404"},
		{"another key's public key", []int{200}, other, 1, "does not verify its signature: grpc-edge:signingKey must be of EC_SIGN_P256_SHA256"},
		{"no public key", []int{200}, "", 1, "the public key of KEY is not PEM"},
	}
	own := remote.DefaultTransport
	t.Cleanup(func() { remote.DefaultTransport = own })
	for _, test := range tests {
		kms := &answers{key: key, codes: test.codes}
		remote.DefaultTransport = kms
		signature, err := sign(t.Context(), "KEY", test.public, "token", []byte("payload"))
		if test.want == "" && (err != nil || len(signature) == 0) || test.want != "" && (err == nil || !strings.Contains(err.Error(), test.want)) {
			t.Errorf("%s: %x, %v, want %q", test.name, signature, err, test.want)
		}
		if kms.asked != test.asked {
			t.Errorf("%s: asked %d times, want %d", test.name, kms.asked, test.asked)
		}
	}
}
