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
	Identifier
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

// Signing serves asymmetricSign, the only method of Cloud KMS that a program calls itself.
func Signing(cloud Signer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		version, ok := strings.CutSuffix(strings.TrimPrefix(r.URL.Path, "/v1/"), ":asymmetricSign")
		if !ok || r.Method != http.MethodPost {
			refuse(w, &gcp.Error{Code: http.StatusNotFound, Message: "The sandbox emulates asymmetricSign only."})
			return
		}
		ctx, ok := authenticate(w, r, cloud)
		if !ok {
			return
		}
		var request digestRequest
		if err := json.NewDecoder(http.MaxBytesReader(w, r.Body, 1<<16)).Decode(&request); err != nil {
			refuse(w, &gcp.Error{Code: http.StatusBadRequest, Message: "Invalid JSON payload received. " + err.Error()})
			return
		}
		signature, err := cloud.Sign(ctx, version, request.Digest.SHA256)
		if err != nil {
			refuse(w, err)
			return
		}
		answer(w, http.StatusOK, signatureResponse{version, signature})
	})
}

// Identifier is the part of the cloud that knows who an access token belongs to.
type Identifier interface {
	Identity(token string) (identity string, ok bool)
}

// authenticate returns the context for calls by the sender of a request. Without a valid
// access token it answers the request with 401 and returns false.
func authenticate(w http.ResponseWriter, r *http.Request, cloud Identifier) (context.Context, bool) {
	identity, ok := cloud.Identity(strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer "))
	if !ok {
		refuse(w, &gcp.Error{Code: http.StatusUnauthorized, Message: "Request had invalid authentication credentials."})
	}
	return gcp.As(r.Context(), identity), ok
}

// statuses maps HTTP statuses in errors to their names ("Errors", API design guide:
// google.rpc.Code).
var statuses = map[int]string{
	http.StatusBadRequest: "INVALID_ARGUMENT", http.StatusUnauthorized: "UNAUTHENTICATED", http.StatusForbidden: "PERMISSION_DENIED",
	http.StatusNotFound: "NOT_FOUND", http.StatusInternalServerError: "INTERNAL",
}

// refuse answers with an error in the form of "Errors" (Cloud APIs).
func refuse(w http.ResponseWriter, err error) {
	e := &gcp.Error{Code: http.StatusInternalServerError, Message: err.Error()}
	errors.As(err, &e)
	body := map[string]any{"code": e.Code, "message": e.Message, "status": statuses[e.Code]}
	if e.Reason == "accessNotConfigured" { // the older name of the reason ("Errors": ErrorInfo)
		body["details"] = []any{map[string]any{"@type": "type.googleapis.com/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED", "domain": "googleapis.com"}}
	}
	answer(w, e.Code, map[string]any{"error": body})
}

func answer(w http.ResponseWriter, code int, body any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(body) // a client that has gone needs no answer
}
