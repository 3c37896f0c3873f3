package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// row is one line of the table.
type row struct{ what, value string }

// sandboxCgroup is what the sandbox's machines are in, pods included.
const sandboxCgroup = "grpc-edge-sandbox"

func measure(ctx context.Context, c workCopy, cold bool) ([]row, error) {
	var rows []row
	steps := []func() ([]row, error){
		func() ([]row, error) { return c.timed(ctx, "`make up`, every tool built", "make", "up") },
		func() ([]row, error) { return c.timed(ctx, "`make up` again, nothing to do", "make", "up") },
		func() ([]row, error) { return c.timed(ctx, "`make preview`, no change", "make", "preview") },
		func() ([]row, error) { return c.floor(ctx) },
		func() ([]row, error) { return c.stateSize(ctx) },
		func() ([]row, error) { return c.sizes() },
		func() ([]row, error) { return c.timed(ctx, "`make down`", "make", "down") },
		func() ([]row, error) {
			return c.buildInfra(ctx, "`infra` built again after a change in it", "-o", os.DevNull)
		},
	}
	if cold {
		first := []func() ([]row, error){
			func() ([]row, error) {
				return c.timed(ctx, "`make up`, first time: empty caches, everything fetched and compiled", "make", "up")
			},
			func() ([]row, error) { _, err := c.time(ctx, "make", "down"); return nil, err },
		}
		last := func() ([]row, error) {
			if _, err := c.time(ctx, "go", "clean", "-cache"); err != nil {
				return nil, err
			}
			return c.buildInfra(ctx, "`infra` compiled with an empty build cache", "-o", os.DevNull)
		}
		steps = append(append(first, steps...), last)
	}
	for _, step := range steps {
		more, err := step()
		if err != nil {
			return nil, err
		}
		rows = append(rows, more...)
	}
	return rows, nil
}

func (c workCopy) timed(ctx context.Context, what, name string, args ...string) ([]row, error) {
	took, err := c.time(ctx, name, args...)
	return []row{{what, duration(took)}}, err
}

// buildInfra links at least, and compiles what the build cache lacks.
func (c workCopy) buildInfra(ctx context.Context, what string, args ...string) ([]row, error) {
	if err := touch(filepath.Join(c.dir, "infra", "main.go")); err != nil {
		return nil, err
	}
	stop := peak(ctx, func() uint64 {
		return memory(func(command string) bool {
			return strings.Contains(command, "/tool/linux_amd64/") || strings.HasPrefix(command, "go build")
		})
	})
	took, err := c.time(ctx, "go", append(append([]string{"build"}, args...), "./infra")...)
	return []row{{what, fmt.Sprintf("%s, %s of memory at its peak", duration(took), gigabytes(stop()))}}, err
}

// touch changes a source file so that it must be compiled again.
func touch(file string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = fmt.Fprintf(f, "\nvar _ = %d\n", time.Now().UnixNano())
	return err
}

// sizes reads the running sandbox: its memory and its images.
func (c workCopy) sizes() ([]row, error) {
	used := cgroupMemory(sandboxCgroup) + memory(func(command string) bool {
		return strings.HasPrefix(command, filepath.Join(c.dir, ".cache/bin/sandbox")+" serve")
	})
	rows := []row{{"memory of the running sandbox: cluster, pods and emulated cloud", gigabytes(used)}}
	var info struct{ ImageSizes map[string]int64 }
	text, err := os.ReadFile(filepath.Join(c.dir, ".sandbox", "daemon.json"))
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(text, &info); err != nil {
		return nil, err
	}
	services, err := c.serviceImages()
	if err != nil {
		return nil, err
	}
	for _, s := range append(services, row{"envoy", megabytes(info.ImageSizes["envoyproxy/envoy"])}) {
		rows = append(rows, row{"image of `" + s.what + "`, compressed", s.value})
	}
	return rows, nil
}

// serviceImages adds up the blobs that the emulated Artifact Registry holds of each image.
func (c workCopy) serviceImages() ([]row, error) {
	manifests, err := filepath.Glob(filepath.Join(c.dir, ".sandbox/cloud/registry/*/docker/registry/v2/repositories/*/*/*/_layers"))
	if err != nil {
		return nil, err
	}
	var rows []row
	for _, layers := range manifests {
		name := filepath.Base(filepath.Dir(layers))
		if name == "envoy" {
			continue
		}
		blobs := filepath.Join(strings.SplitAfter(layers, "/docker/registry/v2/")[0], "blobs")
		links, err := filepath.Glob(filepath.Join(layers, "sha256", "*"))
		if err != nil {
			return nil, err
		}
		var total int64
		for _, link := range links {
			digest := filepath.Base(link)
			info, err := os.Stat(filepath.Join(blobs, "sha256", digest[:2], digest, "data"))
			if err != nil {
				return nil, err
			}
			total += info.Size()
		}
		rows = append(rows, row{name, megabytes(total)})
	}
	if len(rows) == 0 {
		return nil, fmt.Errorf("finding the services' images in the emulated registry: there are none")
	}
	return rows, nil
}

func duration(d time.Duration) string {
	if d < 2*time.Minute {
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return fmt.Sprintf("%.0f min %02.0f s", float64(d/time.Minute), (d % time.Minute).Seconds())
}
