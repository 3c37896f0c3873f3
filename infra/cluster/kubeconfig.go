package cluster

import (
	"encoding/json"
	"fmt"

	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/container"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// kubeconfig returns a kubeconfig for whoever has Google credentials; it holds none itself.
// It is a secret all the same, because it holds the address of the control plane.
//
// A DNS-based endpoint has a certificate that every machine trusts (GKE, "About the
// DNS-based endpoint").
func kubeconfig(gke *container.Cluster, dnsEndpoint bool) pulumi.StringOutput {
	endpoint, ca := gke.Endpoint, gke.MasterAuth.ClusterCaCertificate().Elem()
	if dnsEndpoint {
		endpoint = gke.ControlPlaneEndpointsConfig.DnsEndpointConfig().Endpoint().Elem()
		ca = pulumi.String("").ToStringOutput()
	}
	config := pulumi.All(gke.Name, endpoint, ca).ApplyT(func(values []any) (string, error) {
		return renderKubeconfig(values[0].(string), values[1].(string), values[2].(string))
	})
	return pulumi.ToSecret(config).(pulumi.StringOutput)
}

// renderKubeconfig returns JSON, which is also YAML. The CA is already base64; it is empty
// for an endpoint that the machine trusts.
//
// The user entry is that of `gcloud container clusters get-credentials` where the property
// container/use_application_default_credentials is set. Without the argument the plugin
// asks gcloud for its own account. That account may differ from the Application Default
// Credentials that the gcp provider uses, and a build machine has none
// (kubernetes/cloud-provider-gcp, cmd/gke-gcloud-auth-plugin/main.go).
func renderKubeconfig(cluster, endpoint, ca string) (string, error) {
	type object = map[string]any
	server := object{"server": "https://" + endpoint}
	if ca != "" {
		server["certificate-authority-data"] = ca
	}
	content, err := json.MarshalIndent(object{
		"apiVersion":      "v1",
		"kind":            "Config",
		"current-context": cluster,
		"clusters":        []object{{"name": cluster, "cluster": server}},
		"contexts":        []object{{"name": cluster, "context": object{"cluster": cluster, "user": cluster}}},
		"users": []object{{"name": cluster, "user": object{"exec": object{
			"apiVersion":         "client.authentication.k8s.io/v1beta1",
			"command":            "gke-gcloud-auth-plugin",
			"args":               []string{"--use_application_default_credentials"},
			"installHint":        "Install gke-gcloud-auth-plugin: gcloud components install gke-gcloud-auth-plugin",
			"provideClusterInfo": true,
		}}}},
	}, "", "  ")
	if err != nil {
		return "", fmt.Errorf("writing the kubeconfig of %s: %w", cluster, err)
	}
	return string(content) + "\n", nil
}
