package googleapis

import (
	"context"
	"encoding/base64"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/grpc-edge/sandbox/gcp"
)

type fakeKey struct{ err error }

func (fakeKey) Identity(token string) (string, bool) { return "deployer", token == "good" }

func (k fakeKey) Sign(_ context.Context, version string, digest []byte) ([]byte, error) {
	return []byte(version + " signs " + string(digest)), k.err
}

func TestSigning(t *testing.T) {
	t.Parallel()
	const path = "/v1/projects/p/locations/l/keyRings/r/cryptoKeys/k/cryptoKeyVersions/1"
	digest := `{"digest": {"sha256": "` + base64.StdEncoding.EncodeToString([]byte("this")) + `"}}`
	refused := &gcp.Error{Code: 403, Message: "Permission denied"}
	tests := []struct {
		name, method, path, token, body string
		err                             error
		code                            int
		want                            string
	}{
		{"signed", http.MethodPost, path + ":asymmetricSign", "good", digest, nil, 200,
			base64.StdEncoding.EncodeToString([]byte(strings.TrimPrefix(path, "/v1/") + " signs this"))},
		{"another method", http.MethodPost, path + ":asymmetricDecrypt", "good", digest, nil, 404, "asymmetricSign only"},
		{"read", http.MethodGet, path + ":asymmetricSign", "good", "", nil, 404, "asymmetricSign only"},
		{"a stranger", http.MethodPost, path + ":asymmetricSign", "bad", digest, nil, 401, "invalid authentication"},
		{"no JSON", http.MethodPost, path + ":asymmetricSign", "good", "digest", nil, 400, "Invalid JSON"},
		{"refused", http.MethodPost, path + ":asymmetricSign", "good", digest, refused, 403, "Permission denied"},
		{"a fault", http.MethodPost, path + ":asymmetricSign", "good", digest, errors.New("broken"), 500, "broken"},
	}
	for _, test := range tests {
		request, answer := httptest.NewRequest(test.method, test.path, strings.NewReader(test.body)), httptest.NewRecorder()
		request.Header.Set("Authorization", "Bearer "+test.token)
		Signing(fakeKey{test.err}).ServeHTTP(answer, request)
		if answer.Code != test.code || !strings.Contains(answer.Body.String(), test.want) {
			t.Errorf("%s: %d %s, want %d and %q", test.name, answer.Code, answer.Body, test.code, test.want)
		}
	}
}
