package attestation

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"

	"example.com/grpc-edge/internal/wait"
)

// tries is the number of attempts. Their waits span 15 seconds, enough for a busy API to
// recover. Other errors, such as a missing permission, are not retried.
const tries = 5

var transient = []int{
	http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
	http.StatusServiceUnavailable, http.StatusGatewayTimeout,
}

// The bodies of "cryptoKeyVersions.asymmetricSign" (Cloud KMS API).
type (
	request struct {
		Digest digest `json:"digest"`
	}
	digest struct {
		SHA256 []byte `json:"sha256"`
	}
	response struct {
		Signature []byte `json:"signature"`
		Error     struct {
			Message string `json:"message"`
		} `json:"error"`
	}
)

// sign asks Cloud KMS to sign a payload with a version of a key. It checks the signature
// with the public key, so that one damaged in transit is not kept.
func sign(ctx context.Context, version, public, token string, payload []byte) ([]byte, error) {
	sum := sha256.Sum256(payload)
	body, err := json.Marshal(request{digest{sum[:]}})
	if err != nil {
		return nil, err
	}
	answer, err := retried(ctx, "https://cloudkms.googleapis.com/v1/"+version+":asymmetricSign", token, body)
	if err != nil {
		return nil, fmt.Errorf("with the key %s: %w", version, err)
	}
	block, _ := pem.Decode([]byte(public))
	if block == nil {
		return nil, fmt.Errorf("the public key of %s is not PEM", version)
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("reading the public key of %s: %w", version, err)
	}
	if ec, ok := key.(*ecdsa.PublicKey); !ok || !ecdsa.VerifyASN1(ec, sum[:], answer) {
		return nil, fmt.Errorf("the public key of %s does not verify its signature: grpc-edge:signingKey must be of EC_SIGN_P256_SHA256", version)
	}
	return answer, nil
}

// retried posts, and retries after a transient error.
func retried(ctx context.Context, url, token string, body []byte) ([]byte, error) {
	for pause, try := time.Second, 1; ; pause, try = 2*pause, try+1 {
		signature, again, err := post(ctx, url, token, body)
		if err == nil || !again || try == tries {
			return signature, err
		}
		if ended := wait.For(ctx, pause); ended != nil {
			return nil, errors.Join(err, ended)
		}
	}
}

// post sends one request, and reports whether to retry.
func post(ctx context.Context, url, token string, body []byte) (signature []byte, again bool, err error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, false, err
	}
	r.Header.Set("Authorization", "Bearer "+token)
	r.Header.Set("Content-Type", "application/json")
	// All requests of the program use this transport.
	answer, err := (&http.Client{Transport: remote.DefaultTransport}).Do(r)
	if err != nil {
		return nil, true, err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return nil, true, err
	}
	var read response
	err = json.Unmarshal(text, &read)
	switch {
	case answer.StatusCode == http.StatusForbidden:
		err = fmt.Errorf("the identity that runs Pulumi needs roles/cloudkms.signer on it: answered 403: %s", read.Error.Message)
	case answer.StatusCode != http.StatusOK:
		err = fmt.Errorf("answered %d: %s", answer.StatusCode, read.Error.Message)
	case err == nil && len(read.Signature) == 0:
		err = errors.New("answered without a signature")
	}
	return read.Signature, slices.Contains(transient, answer.StatusCode), err
}
