package cluster

import (
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// writeKubeconfig writes a kubeconfig that authenticates with a client certificate.
func writeKubeconfig(file, server string, ca []byte, cert, key string) error {
	config := api.NewConfig()
	config.Clusters["sandbox"] = &api.Cluster{Server: server, CertificateAuthorityData: ca}
	config.AuthInfos["sandbox"] = &api.AuthInfo{ClientCertificate: cert, ClientKey: key}
	config.Contexts["sandbox"] = &api.Context{Cluster: "sandbox", AuthInfo: "sandbox"}
	config.CurrentContext = "sandbox"
	return clientcmd.WriteToFile(*config, file)
}
