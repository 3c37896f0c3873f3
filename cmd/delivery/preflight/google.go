package preflight

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"path"
	"strings"

	"example.com/grpc-edge/internal/selfsigned"
)

// projectNumber is the number of every project, and of the stack `delivery` in
// infra/variants.yaml.
const projectNumber = "123456789012"

// serveGoogle answers what a preview asks Google for: the number of a project ("projects.get",
// Cloud Resource Manager API), and the public key of the version of a key that signs, for
// which the provider reads version, key and public key (Cloud KMS API), and the domain of a
// zone (Cloud DNS API). The rest is refused.
func serveGoogle() *httptest.Server {
	_, public := selfsigned.Key()
	return httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		api, name, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/v1/")
		collection := path.Base(path.Dir(name))
		var body map[string]any
		switch {
		case api == "resourcemanager" && collection == "projects":
			body = map[string]any{"projectId": path.Base(name), "name": path.Base(name), "projectNumber": projectNumber, "lifecycleState": "ACTIVE"}
		case api == "kms" && strings.HasSuffix(name, "/publicKey"):
			body = map[string]any{"pem": public, "algorithm": "EC_SIGN_P256_SHA256"}
		case api == "kms" && collection == "cryptoKeyVersions":
			body = map[string]any{"name": name, "state": "ENABLED", "protectionLevel": "SOFTWARE", "algorithm": "EC_SIGN_P256_SHA256"}
		case api == "dns" && collection == "managedZones":
			body = map[string]any{"name": path.Base(name), "dnsName": "example.com.", "visibility": "public", "id": "1"}
		case api == "kms" && collection == "cryptoKeys":
			body = map[string]any{"name": name, "purpose": "ASYMMETRIC_SIGN"}
		default:
			w.WriteHeader(http.StatusForbidden)
			body = map[string]any{"error": map[string]any{"code": http.StatusForbidden, "status": "PERMISSION_DENIED",
				"message": "preflight does not answer for " + r.URL.Path, "errors": []any{map[string]any{"reason": "accessNotConfigured"}}}}
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(body)
	}))
}
