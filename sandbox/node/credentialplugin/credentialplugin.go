// Package credentialplugin holds the programs by which kubectl and kubelet get their
// tokens, under Google's names for them: gke-gcloud-auth-plugin and
// auth-provider-gcp.
package credentialplugin

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientauth "k8s.io/client-go/pkg/apis/clientauthentication/v1beta1"
)

const (
	// AuthPlugin is the exec plugin of every GKE kubeconfig.
	AuthPlugin = "gke-gcloud-auth-plugin"
	// ImageProvider is GKE's kubelet image credential provider.
	ImageProvider = "auth-provider-gcp"
	// lifetime of a token, as usual for Google's access tokens.
	lifetime = time.Hour
)

// DeployerToken returns the path of the deployer's token for the Kubernetes API, below the state
// folder.
func DeployerToken(state string) string { return filepath.Join(state, "credentials", "deployer") }

// PrintExecCredential writes the deployer's token as client-go expects it of an exec plugin.
func PrintExecCredential(out io.Writer, state string) error {
	token, err := os.ReadFile(DeployerToken(state))
	if err != nil {
		return fmt.Errorf("reading the sandbox's credentials: %w: is the sandbox running? Try `make up`", err)
	}
	expires := metav1.NewTime(time.Now().Add(lifetime))
	return json.NewEncoder(out).Encode(clientauth.ExecCredential{
		TypeMeta: metav1.TypeMeta{APIVersion: "client.authentication.k8s.io/v1beta1", Kind: "ExecCredential"},
		Status:   &clientauth.ExecCredentialStatus{Token: strings.TrimSpace(string(token)), ExpirationTimestamp: &expires},
	})
}

// imageResponse answers the kubelet in its image credential provider protocol, whose Go types are in k8s.io/kubelet.
type imageResponse struct {
	APIVersion    string               `json:"apiVersion"`
	Kind          string               `json:"kind"`
	CacheKeyType  string               `json:"cacheKeyType"`
	CacheDuration string               `json:"cacheDuration"`
	Auth          map[string]basicAuth `json:"auth"`
}

type basicAuth struct {
	Username string `json:"username"`
	Password string `json:"password"`
}

// token is the metadata server's answer.
type token struct {
	AccessToken string `json:"access_token"`
	ExpiresIn   int    `json:"expires_in"`
	TokenType   string `json:"token_type"`
}

// PrintImageCredential answers kubelet with the node account's token from the metadata server.
func PrintImageCredential(in io.Reader, out io.Writer, metadata string) error {
	var request struct {
		Image string `json:"image"`
	}
	if err := json.NewDecoder(in).Decode(&request); err != nil {
		return fmt.Errorf("reading kubelet's request: %w", err)
	}
	r, err := http.NewRequest(http.MethodGet, metadata+accountPath+"default/token", nil)
	if err != nil {
		return err
	}
	r.Header.Set("Metadata-Flavor", "Google")
	response, err := (&http.Client{Timeout: 5 * time.Second}).Do(r)
	if err != nil {
		return fmt.Errorf("asking the metadata server: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("asking the metadata server: %s", response.Status)
	}
	var t token
	if err := json.NewDecoder(response.Body).Decode(&t); err != nil {
		return fmt.Errorf("reading the metadata server's answer: %w", err)
	}
	host, _, _ := strings.Cut(request.Image, "/")
	return json.NewEncoder(out).Encode(imageResponse{
		APIVersion: "credentialprovider.kubelet.k8s.io/v1", Kind: "CredentialProviderResponse",
		CacheKeyType: "Registry", CacheDuration: "1m0s",
		Auth: map[string]basicAuth{host: {Username: "oauth2accesstoken", Password: t.AccessToken}},
	})
}
