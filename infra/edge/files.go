package edge

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"grpc-edge/envoy"
	"grpc-edge/infra/workload"
)

// newConfig puts the hash of the files into the name of their ConfigMap, so that
// other files are another object: pods roll, and those that are still of the old
// version keep reading theirs.
func (e *Edge) newConfig(ctx *pulumi.Context, name string, args *Args) (*corev1.ConfigMap, error) {
	files, err := envoy.Files(envoy.Config{Backends: args.Backends})
	if err != nil {
		return nil, err
	}
	hash, err := contentHash(files)
	if err != nil {
		return nil, err
	}
	metadata := workload.Metadata(args.Namespace, Name)
	metadata.Name = pulumi.String(Name + "-" + hash)
	config, err := corev1.NewConfigMap(ctx, name+"-config", &corev1.ConfigMapArgs{
		Metadata:  metadata,
		Data:      pulumi.ToStringMap(files),
		Immutable: pulumi.Bool(true),
	}, pulumi.Parent(e))
	if err != nil {
		return nil, fmt.Errorf("creating the ConfigMap of %q: %w", name, err)
	}
	return config, nil
}

// contentHash is 10 hexadecimal digits: enough to tell the versions of one
// object apart.
func contentHash(files map[string]string) (string, error) {
	content, err := json.Marshal(files) // keys in order
	if err != nil {
		return "", fmt.Errorf("hashing the Envoy configuration: %w", err)
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:5]), nil
}

// newSecret has a fixed name: Envoy watches the files, and a renewed certificate
// restarts no pod.
func (e *Edge) newSecret(ctx *pulumi.Context, name string, args *Args) (*corev1.Secret, error) {
	metadata := workload.Metadata(args.Namespace, Name)
	metadata.Name = pulumi.String(Name + "-certificate")
	secret, err := corev1.NewSecret(ctx, name+"-certificate", &corev1.SecretArgs{
		Metadata: metadata,
		Type:     pulumi.String("kubernetes.io/tls"),
		// The API stores data; stringData would be another field to compare with.
		Data: pulumi.StringMap{"tls.crt": encoded(args.Chain), "tls.key": encoded(args.Key)},
	}, pulumi.Parent(e))
	if err != nil {
		return nil, fmt.Errorf("creating the TLS secret of %q: %w", name, err)
	}
	return secret, nil
}

func encoded(text pulumi.StringInput) pulumi.StringOutput {
	return text.ToStringOutput().ApplyT(func(text string) string {
		return base64.StdEncoding.EncodeToString([]byte(text))
	}).(pulumi.StringOutput)
}
