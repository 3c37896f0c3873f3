package googleapis

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/secretmanager"
)

// fakeSecrets knows one version, and one caller that may access it.
type fakeSecrets struct{}

func (fakeSecrets) Identity(token string) (string, bool) { return "pod", token == "good" }

func (fakeSecrets) AccessSecret(_ context.Context, version string) (secretmanager.SecretVersion, error) {
	if version != "projects/p/secrets/s/versions/latest" {
		return secretmanager.SecretVersion{}, &gcp.Error{Code: 403, Message: "denied"}
	}
	return secretmanager.SecretVersion{Name: "projects/1/secrets/s/versions/2", Payload: []byte("123456789")}, nil
}

func (fakeSecrets) DescribeSecret(context.Context, string) (secretmanager.SecretVersion, error) {
	return secretmanager.SecretVersion{Name: "projects/1/secrets/s/versions/2", Created: time.Unix(0, 0).UTC()}, nil
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	const version = "/v1/projects/p/secrets/s/versions/latest"
	tests := []struct {
		name, method, path, token string
		code                      int
		want                      string
	}{
		// The check value of CRC-32C for "123456789" is 0xe3069283 (RFC 3720, appendix B.4's polynomial).
		{"access", http.MethodGet, version + ":access", "good", 200, `{"name":"projects/1/secrets/s/versions/2","payload":{"data":"MTIzNDU2Nzg5","dataCrc32c":"3808858755"}}`},
		{"get", http.MethodGet, version, "good", 200, `{"name":"projects/1/secrets/s/versions/2","createTime":"1970-01-01T00:00:00Z","state":"ENABLED","clientSpecifiedPayloadChecksum":true}`},
		{"another secret", http.MethodGet, "/v1/projects/p/secrets/x/versions/1:access", "good", 403, `{"error":{"code":403,"message":"denied","status":"PERMISSION_DENIED"}}`},
		{"a stranger", http.MethodGet, version + ":access", "bad", 401, `{"error":{"code":401,"message":"Request had invalid authentication credentials.","status":"UNAUTHENTICATED"}}`},
		{"a write", http.MethodPost, "/v1/projects/p/secrets/s:addVersion", "good", 404, ""},
		{"gRPC", http.MethodPost, "/google.cloud.secretmanager.v1.SecretManagerService/AccessSecretVersion", "good", 404, ""},
	}
	for _, test := range tests {
		request, w := httptest.NewRequest(test.method, test.path, nil), httptest.NewRecorder()
		request.Header.Set("Authorization", "Bearer "+test.token)
		Secrets(fakeSecrets{}).ServeHTTP(w, request)
		var got, want any
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Errorf("%s: %v in %s", test.name, err, w.Body)
		}
		if test.want == "" {
			want = got
		} else if err := json.Unmarshal([]byte(test.want), &want); err != nil {
			t.Fatal(err)
		}
		a, _ := json.Marshal(got)
		b, _ := json.Marshal(want)
		if w.Code != test.code || string(a) != string(b) {
			t.Errorf("%s: %d %s, want %d %s", test.name, w.Code, a, test.code, b)
		}
	}
}
