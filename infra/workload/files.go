package workload

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

// Files holds the files that a workload mounts from a ConfigMap, by name.
type Files struct {
	Text   map[string]string
	Binary map[string][]byte
}

// fileLimit is the largest size of a ConfigMap in bytes (Kubernetes, "ConfigMaps").
const fileLimit = 1 << 20

// Fit reports whether the files fit into one ConfigMap.
func (f Files) Fit() bool { return f.size() <= fileLimit }

func (f Files) size() int {
	size := 0
	for name, text := range f.Text {
		size += len(name) + len(text)
	}
	for name, content := range f.Binary {
		size += len(name) + len(content)
	}
	return size
}

// Pack returns the content packed by gzip. The same content gives the same bytes.
func Pack(content []byte) ([]byte, error) {
	var packed bytes.Buffer
	writer, err := gzip.NewWriterLevel(&packed, gzip.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := writer.Write(content); err != nil {
		return nil, err
	}
	if err := writer.Close(); err != nil {
		return nil, err
	}
	return packed.Bytes(), nil
}

// NewFiles creates a ConfigMap with a hash of the files in its name. Changed files are
// another object: pods roll, and pods of the old version keep reading the old files.
func NewFiles(ctx *pulumi.Context, name string, namespace pulumi.StringInput, workload string, files Files, opts ...pulumi.ResourceOption) (*corev1.ConfigMap, error) {
	if !files.Fit() {
		return nil, fmt.Errorf("the files of %q take %d bytes, and a ConfigMap holds %d: deploy fewer services, or methods, in this stack",
			name, files.size(), fileLimit)
	}
	// JSON has the keys in order, and bytes in base64 as the API requires.
	content, err := json.Marshal(files)
	if err != nil {
		return nil, fmt.Errorf("hashing the files of %q: %w", name, err)
	}
	var encoded struct{ Binary map[string]string }
	if err := json.Unmarshal(content, &encoded); err != nil {
		return nil, fmt.Errorf("encoding the files of %q: %w", name, err)
	}
	sum := sha256.Sum256(content)
	metadata := Metadata(namespace, workload)
	// Ten digits are enough to tell the versions of one object apart.
	metadata.Name = pulumi.String(workload + "-" + hex.EncodeToString(sum[:5]))
	args := &corev1.ConfigMapArgs{Metadata: metadata, Immutable: pulumi.Bool(true)}
	if len(files.Text) > 0 {
		args.Data = pulumi.ToStringMap(files.Text)
	}
	if len(encoded.Binary) > 0 {
		args.BinaryData = pulumi.ToStringMap(encoded.Binary)
	}
	config, err := corev1.NewConfigMap(ctx, name, args, opts...)
	if err != nil {
		return nil, fmt.Errorf("creating the ConfigMap of %q: %w", name, err)
	}
	return config, nil
}

// ConfigVolume returns a volume of a ConfigMap.
func ConfigVolume(name string, config *corev1.ConfigMap) corev1.VolumeArgs {
	return corev1.VolumeArgs{Name: pulumi.String(name), ConfigMap: corev1.ConfigMapVolumeSourceArgs{
		Name: config.Metadata.Name().Elem(),
	}}
}

// Mount returns a read-only mount of a volume at a path.
func Mount(volume, path string) corev1.VolumeMountArgs {
	return corev1.VolumeMountArgs{Name: pulumi.String(volume), MountPath: pulumi.String(path), ReadOnly: pulumi.Bool(true)}
}

// Variable returns an environment variable.
func Variable(name, value string) corev1.EnvVarArgs {
	return corev1.EnvVarArgs{Name: pulumi.String(name), Value: pulumi.String(value)}
}

// Base64 returns the text in base64, as in the data of a Secret.
func Base64(text pulumi.StringInput) pulumi.StringOutput {
	return text.ToStringOutput().ApplyT(func(text string) string {
		return base64.StdEncoding.EncodeToString([]byte(text))
	}).(pulumi.StringOutput)
}
