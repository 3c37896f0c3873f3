package googleapis

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"example.com/grpc-edge/sandbox/gcp"
)

// Signer is the part of the cloud that signs.
type Signer interface {
	Identity(token string) (email string, ok bool)
	Sign(ctx context.Context, version string, digest []byte) ([]byte, error)
}

// digestRequest and signatureResponse are the bodies of "cryptoKeyVersions.asymmetricSign"
// (Cloud KMS API).
type (
	digestRequest struct {
		Digest struct {
			SHA256 []byte `json:"sha256"`
		} `json:"digest"`
	}
	signatureResponse struct {
		Name      string `json:"name"`
		Signature []byte `json:"signature"`
	}
)

// Signing serves asymmetricSign, which is all that a program asks of Cloud KMS by itself.
func Signing(cloud Signer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		version, ok := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/v1/"), ":asymmetricSign")
		if !ok || r.Method != http.MethodPost {
			refuse(w, &gcp.Error{Code: http.StatusNotFound, Message: "The sandbox emulates asymmetricSign only."})
			return
		}
		email, ok := cloud.Identity(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
		if !ok {
			refuse(w, &gcp.Error{Code: http.StatusUnauthorized, Message: "Request had invalid authentication credentials."})
			return
		}
		var request digestRequest
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&request); err != nil {
			refuse(w, &gcp.Error{Code: http.StatusBadRequest, Message: "Invalid JSON payload received. " + err.Error()})
			return
		}
		signature, err := cloud.Sign(gcp.As(r.Context(), email), version, request.Digest.SHA256)
		if err != nil {
			refuse(w, err)
			return
		}
		answer(w, http.StatusOK, signatureResponse{version, signature})
	})
}

// refuse answers with an error in the form of "Errors" (Cloud APIs).
func refuse(w http.ResponseWriter, err error) {
	e := &gcp.Error{Code: http.StatusInternalServerError, Message: err.Error()}
	errors.As(err, &e)
	answer(w, e.Code, map[string]any{"error": map[string]any{"code": e.Code, "message": e.Message}})
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // a client that has gone needs no answer
}
