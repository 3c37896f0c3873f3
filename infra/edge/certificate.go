package edge

import (
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/infra/workload"
)

// secret returns the name of the Secret with the certificate, which it creates unless
// cert-manager does. The name is fixed: Envoy watches the files, so a renewed certificate
// restarts no pod.
func (e *Edge) secret(ctx *pulumi.Context, name string, args *Args) (pulumi.StringInput, error) {
	if args.Secret != nil {
		return args.Secret, nil
	}
	metadata := workload.Metadata(args.Namespace, Name)
	metadata.Name = pulumi.String(Name + "-certificate")
	secret, err := corev1.NewSecret(ctx, name+"-certificate", &corev1.SecretArgs{
		Metadata: metadata,
		Type:     pulumi.String("kubernetes.io/tls"),
		// The API stores data; stringData would be another field to compare.
		Data: pulumi.StringMap{"tls.crt": workload.Base64(args.Chain), "tls.key": workload.Base64(args.Key)},
	}, pulumi.Parent(e))
	if err != nil {
		return nil, fmt.Errorf("creating the TLS secret of %q: %w", name, err)
	}
	return secret.Metadata.Name().Elem(), nil
}
