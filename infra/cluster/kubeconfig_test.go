package cluster

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestKubeconfig(t *testing.T) {
	t.Parallel()
	got, err := renderKubeconfig("edge", "198.51.100.1", "Q0E=")
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "apiVersion": "v1",
  "clusters": [
    {
      "cluster": {
        "certificate-authority-data": "Q0E=",
        "server": "https://198.51.100.1"
      },
      "name": "edge"
    }
  ],
  "contexts": [
    {
      "context": {
        "cluster": "edge",
        "user": "edge"
      },
      "name": "edge"
    }
  ],
  "current-context": "edge",
  "kind": "Config",
  "users": [
    {
      "name": "edge",
      "user": {
        "exec": {
          "apiVersion": "client.authentication.k8s.io/v1beta1",
          "args": [
            "--use_application_default_credentials"
          ],
          "command": "gke-gcloud-auth-plugin",
          "installHint": "Install gke-gcloud-auth-plugin: gcloud components install gke-gcloud-auth-plugin",
          "provideClusterInfo": true
        }
      }
    }
  ]
}
`
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("kubeconfig (-want +got):\n%s", diff)
	}
}

// TestKubeconfigByName checks that a kubeconfig for the DNS name of a control plane names no
// authority, as those that machines trust are enough.
func TestKubeconfigByName(t *testing.T) {
	t.Parallel()
	got, err := renderKubeconfig("edge", "gke-1.us-central1.gke.goog", "")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(got, `"server": "https://gke-1.us-central1.gke.goog"`) || strings.Contains(got, "certificate-authority") {
		t.Errorf("got %s", got)
	}
}
