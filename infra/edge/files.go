package edge

import (
	"fmt"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/infra/workload"
)

// configVolume and packedVolume name the volumes with Envoy's files: as Envoy reads them,
// and packed with gzip. packedDir is the mount path of the packed ones. They are unpacked
// to a folder of their own, because the certificate is mounted below the usual one.
const (
	configVolume = "config"
	packedVolume = "packed"
	packedDir    = "/packed"
	unpackedDir  = "/run/envoy"
)

// configuration holds Envoy's configuration and the volumes that bring it into the pods.
type configuration struct {
	envoy   envoy.Config
	volumes corev1.VolumeArray
	unpack  *corev1.ContainerArgs // nil if the files are not packed
}

// newConfig puts Envoy's files into a ConfigMap. It stores them as text, so that people can
// read them and each change to them. If they do not fit, it packs them. Packed, 500
// services of 10 methods take a tenth of the limit.
func (e *Edge) newConfig(ctx *pulumi.Context, name string, args *Args) (*configuration, error) {
	c := &configuration{envoy: args.Config}
	texts, err := envoy.Files(c.envoy)
	if err != nil {
		return nil, err
	}
	files, volume := workload.Files{Text: texts}, configVolume
	if !files.Fit() {
		volume = packedVolume
		if files, err = c.pack(); err != nil {
			return nil, err
		}
		c.volumes = append(c.volumes, corev1.VolumeArgs{Name: pulumi.String(configVolume), EmptyDir: corev1.EmptyDirVolumeSourceArgs{}})
		c.unpack = lifecycleContainer(args, "unpack", "-from", packedDir, "-to", unpackedDir)
		c.unpack.VolumeMounts = corev1.VolumeMountArray{
			workload.Mount(packedVolume, packedDir),
			corev1.VolumeMountArgs{Name: pulumi.String(configVolume), MountPath: pulumi.String(unpackedDir)},
		}
	}
	config, err := workload.NewFiles(ctx, name+"-config", args.Namespace, Name, files, pulumi.Parent(e))
	if err != nil {
		return nil, err
	}
	c.volumes = append(c.volumes, workload.ConfigVolume(volume, config))
	return c, nil
}

// pack returns the packed files for unpackedDir, without the white space that nobody reads
// there. The same configuration gives the same bytes.
func (c *configuration) pack() (workload.Files, error) {
	c.envoy.ConfigDir = unpackedDir
	texts, err := envoy.Files(c.envoy)
	if err != nil {
		return workload.Files{}, err
	}
	packed := workload.Files{Binary: map[string][]byte{}}
	for name, text := range texts {
		compact, err := envoy.Compact(text)
		if err == nil {
			packed.Binary[name+".gz"], err = workload.Pack([]byte(compact))
		}
		if err != nil {
			return workload.Files{}, fmt.Errorf("packing %s: %w", name, err)
		}
	}
	return packed, nil
}
