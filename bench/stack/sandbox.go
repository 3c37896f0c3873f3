package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"example.com/grpc-edge/bench/stack/stackpage"
)

// sandboxCgroup is the name of the cgroup of the sandbox's machines and their pods.
const sandboxCgroup = "grpc-edge-sandbox"

// sizes measures the memory and the images of the running sandbox.
func (c workCopy) sizes(r *stackpage.Results) error {
	daemon := memory(func(command string) bool {
		return strings.HasPrefix(command, filepath.Join(c.dir, ".cache/bin/sandbox")+" serve")
	})
	r.Memory = cgroupMemory(sandboxCgroup) + daemon[0]
	var info struct{ ImageSizes map[string]int64 }
	text, err := os.ReadFile(filepath.Join(c.dir, ".sandbox", "daemon.json"))
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, &info); err != nil {
		return fmt.Errorf("reading the sizes of images: %w", err)
	}
	services, err := c.serviceImages()
	r.Images = append(services, stackpage.Size{Name: "envoy", Bytes: info.ImageSizes["envoyproxy/envoy"]})
	return err
}

// serviceImages returns the size of each service's image in the emulated Artifact Registry.
func (c workCopy) serviceImages() ([]stackpage.Size, error) {
	manifests, err := filepath.Glob(filepath.Join(c.dir, ".sandbox/cloud/registry/*/docker/registry/v2/repositories/*/*/*/_layers"))
	if err != nil {
		return nil, err
	}
	var list []stackpage.Size
	for _, layers := range manifests {
		size := stackpage.Size{Name: filepath.Base(filepath.Dir(layers))}
		if size.Name == "envoy" {
			continue
		}
		blobs := filepath.Join(strings.SplitAfter(layers, "/docker/registry/v2/")[0], "blobs")
		links, err := filepath.Glob(filepath.Join(layers, "sha256", "*"))
		if err != nil {
			return nil, err
		}
		for _, link := range links {
			digest := filepath.Base(link)
			info, err := os.Stat(filepath.Join(blobs, "sha256", digest[:2], digest, "data"))
			if err != nil {
				return nil, err
			}
			size.Bytes += info.Size()
		}
		list = append(list, size)
	}
	if len(list) == 0 {
		return nil, fmt.Errorf("finding the services' images in the emulated registry: there are none")
	}
	return list, nil
}
