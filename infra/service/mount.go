package service

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/infra/workload"
)

// mounts holds the volumes and mounts of the container, and the variables that come from a
// Secret.
type mounts struct {
	volumes   corev1.VolumeArray
	mounts    corev1.VolumeMountArray
	variables corev1.EnvVarArray
}

// newMounts creates the objects that hold files and secrets.
func (s *Service) newMounts(ctx *pulumi.Context, name string, args *Args) (*mounts, error) {
	m := &mounts{}
	if err := s.addFiles(ctx, name, args, m); err != nil {
		return nil, err
	}
	if err := s.addSecrets(ctx, name, args, m); err != nil {
		return nil, err
	}
	for i, target := range sorted(args.Spec.Scratch) {
		volume := fmt.Sprintf("scratch-%d", i)
		m.volumes = append(m.volumes, corev1.VolumeArgs{Name: pulumi.String(volume), EmptyDir: corev1.EmptyDirVolumeSourceArgs{
			SizeLimit: pulumi.String(args.Spec.Scratch[target]),
		}})
		m.mounts = append(m.mounts, corev1.VolumeMountArgs{Name: pulumi.String(volume), MountPath: pulumi.String(target)})
	}
	return m, nil
}

// addFiles mounts each file by itself, so that the rest of its folder stays as in the
// image. Files of a service never change under a running pod: changed files are in another
// ConfigMap.
func (s *Service) addFiles(ctx *pulumi.Context, name string, args *Args, m *mounts) error {
	if len(args.Files) == 0 {
		return nil
	}
	files := workload.Files{Binary: map[string][]byte{}}
	for target, content := range args.Files {
		files.Binary[keyOf(target)] = content
	}
	object, err := workload.NewFiles(ctx, name, args.Namespace, args.Name, files, pulumi.Parent(s))
	if err != nil {
		return err
	}
	const volume = "files"
	m.volumes = append(m.volumes, workload.ConfigVolume(volume, object))
	for _, target := range sorted(args.Files) {
		m.mounts = append(m.mounts, fileMount(volume, target, keyOf(target)))
	}
	return nil
}

// addSecrets creates one Secret for the service. Its name changes whenever a value changes,
// so that the pods of this service roll, and no others.
func (s *Service) addSecrets(ctx *pulumi.Context, name string, args *Args, m *mounts) error {
	if len(args.Secrets) == 0 {
		return nil
	}
	data := pulumi.StringMap{}
	for key, value := range args.Secrets {
		data[key] = workload.Base64(pulumi.ToSecret(value).(pulumi.StringOutput))
	}
	metadata := workload.Metadata(args.Namespace, args.Name)
	metadata.Name = nil // Pulumi adds a random suffix to the resource's name
	object, err := corev1.NewSecret(ctx, name, &corev1.SecretArgs{
		Metadata: metadata, Immutable: pulumi.Bool(true), Type: pulumi.String("Opaque"), Data: data,
	}, pulumi.Parent(s))
	if err != nil {
		return fmt.Errorf("creating the secrets of %q: %w", name, err)
	}
	const volume = "secrets"
	mounted := false
	for _, key := range sorted(args.Spec.Secrets) {
		target := args.Spec.Secrets[key].File
		if target == "" {
			m.variables = append(m.variables, corev1.EnvVarArgs{Name: pulumi.String(key), ValueFrom: corev1.EnvVarSourceArgs{
				SecretKeyRef: corev1.SecretKeySelectorArgs{Name: object.Metadata.Name().Elem(), Key: pulumi.String(key)},
			}})
			continue
		}
		mounted = true
		m.mounts = append(m.mounts, fileMount(volume, target, key))
	}
	if mounted {
		m.volumes = append(m.volumes, corev1.VolumeArgs{Name: pulumi.String(volume), Secret: corev1.SecretVolumeSourceArgs{
			SecretName: object.Metadata.Name().Elem(),
		}})
	}
	return nil
}

// fileMount mounts one key of a volume as one file.
func fileMount(volume, target, key string) corev1.VolumeMountArgs {
	mount := workload.Mount(volume, target)
	mount.SubPath = pulumi.String(key)
	return mount
}

// keyOf returns the key of a file in its ConfigMap, which must not contain a slash.
func keyOf(target string) string {
	return strings.NewReplacer("_", "__", "/", "_-").Replace(strings.TrimPrefix(path.Clean(target), "/"))
}

func sorted[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
