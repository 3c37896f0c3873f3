package images

import (
	"archive/tar"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"example.com/grpc-edge/sandbox/filetest"
	"example.com/grpc-edge/sandbox/tools"
)

// made returns tools with made-up programs: each file holds its own name.
func made(t *testing.T) tools.Tools {
	t.Helper()
	made := tools.In(t.TempDir())
	files := []string{made.Bin("envoy"), made.Bin("coredns"), made.Bin("pause")}
	for _, lib := range []string{"libc.so.6", "libm.so.6", "librt.so.1", "libdl.so.2", "libpthread.so.0"} {
		files = append(files, filepath.Join(made.Libc(), "lib/x86_64-linux-gnu", lib))
	}
	// Distributions with a merged /usr have it there.
	files = append(files, filepath.Join(made.Libc(), "usr/lib/x86_64-linux-gnu/ld-linux-x86-64.so.2"))
	for _, file := range files {
		filetest.Write(t, file, filepath.Base(file))
	}
	return made
}

// digests returns the digests of all images, as pulled.
func digests(t *testing.T, images *Images) map[string]string {
	t.Helper()
	got := map[string]string{}
	for repository := range images.Sizes {
		digest, err := pull(t, images, repository).Digest()
		if err != nil {
			t.Fatal(err)
		}
		got[repository] = digest.String()
	}
	return got
}

func pull(t *testing.T, images *Images, repository string) v1.Image {
	t.Helper()
	server := httptest.NewServer(images.Handler)
	t.Cleanup(server.Close)
	reference, err := name.ParseReference(strings.TrimPrefix(server.URL, "http://")+"/"+repository+":latest", name.Insecure)
	if err != nil {
		t.Fatal(err)
	}
	image, err := remote.Image(reference)
	if err != nil {
		t.Fatal(err)
	}
	return image
}

func TestLoadServesImages(t *testing.T) {
	t.Parallel()
	images, err := Load(made(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	const lib = "lib/x86_64-linux-gnu/"
	tests := map[string]struct {
		entrypoint string
		files      map[string]string
	}{
		"coredns": {"/coredns", map[string]string{"coredns": "coredns"}},
		"pause":   {"/pause", map[string]string{"pause": "pause"}},
		Envoy: {"/usr/local/bin/envoy", map[string]string{
			"usr/local/bin/envoy": "envoy", lib + "libc.so.6": "libc.so.6", lib + "libm.so.6": "libm.so.6", lib + "librt.so.1": "librt.so.1",
			lib + "libdl.so.2": "libdl.so.2", lib + "libpthread.so.0": "libpthread.so.0",
			lib + "ld-linux-x86-64.so.2": "ld-linux-x86-64.so.2", "lib64/ld-linux-x86-64.so.2": "ld-linux-x86-64.so.2",
		}},
	}
	if len(images.Sizes) != len(tests) {
		t.Errorf("got the images %v, want %d", images.Sizes, len(tests))
	}
	for repository, test := range tests {
		image := pull(t, images, repository)
		config, err := image.ConfigFile()
		if err != nil {
			t.Fatal(err)
		}
		want := v1.Config{User: "65532:65532", Entrypoint: []string{test.entrypoint}}
		if diff := cmp.Diff(want, config.Config); diff != "" {
			t.Errorf("%s: the config differs (-want +got):\n%s", repository, diff)
		}
		if config.Platform().String() != "linux/amd64" {
			t.Errorf("%s: got platform %s", repository, config.Platform())
		}
		if diff := cmp.Diff(test.files, filesOf(t, image)); diff != "" {
			t.Errorf("%s: the files differ (-want +got):\n%s", repository, diff)
		}
		if images.Sizes[repository] != stored(t, image) {
			t.Errorf("%s: got size %d, want %d", repository, images.Sizes[repository], stored(t, image))
		}
	}
}

// filesOf returns the contents of an image's files. All are programs.
func filesOf(t *testing.T, image v1.Image) map[string]string {
	t.Helper()
	files, content := map[string]string{}, mutate.Extract(image)
	defer content.Close()
	for archive := tar.NewReader(content); ; {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		if header.Mode != 0o755 {
			t.Errorf("%s has mode %o, want 755", header.Name, header.Mode)
		}
		text, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = string(text)
	}
}

// stored returns the size of an image in a registry, in bytes. It counts the config and the
// compressed layers.
func stored(t *testing.T, image v1.Image) int64 {
	t.Helper()
	config, err := image.RawConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	total := int64(len(config))
	layers, err := image.Layers()
	if err != nil {
		t.Fatal(err)
	}
	for _, layer := range layers {
		compressed, err := layer.Compressed()
		if err != nil {
			t.Fatal(err)
		}
		text, err := io.ReadAll(compressed)
		if err != nil {
			t.Fatal(err)
		}
		total += int64(len(text))
	}
	return total
}

func TestLoadIsReproducible(t *testing.T) {
	t.Parallel()
	source, dir := made(t), t.TempDir()
	load := func(source tools.Tools, dir string) map[string]string {
		images, err := Load(source, dir)
		if err != nil {
			t.Fatal(err)
		}
		got := digests(t, images)
		if images.EnvoyDigest != got[Envoy] {
			t.Errorf("the digest of Envoy's image is %s, want %s", images.EnvoyDigest, got[Envoy])
		}
		return got
	}
	first := load(source, dir)
	for name, again := range map[string]map[string]string{
		"in the same folder": load(source, dir), "in another folder": load(source, t.TempDir()), "of files of another time": load(made(t), dir),
	} {
		if diff := cmp.Diff(first, again); diff != "" {
			t.Errorf("the same images made again %s have other digests (-first +again):\n%s", name, diff)
		}
	}
	filetest.Write(t, source.Bin("envoy"), "another envoy")
	changed := load(source, dir)
	if changed[Envoy] == first[Envoy] {
		t.Error("another program made the same image")
	}
	if changed["pause"] != first["pause"] {
		t.Error("the same program made another image")
	}
}

func TestLoadServesTheNextEnvoyIfThereIsOne(t *testing.T) {
	t.Parallel()
	source := made(t)
	without, err := Load(source, t.TempDir())
	if err != nil || without.NextEnvoyDigest != "" {
		t.Fatalf("without it: the digest %q, %v", without.NextEnvoyDigest, err)
	}
	filetest.Write(t, source.Bin(tools.NextEnvoy), "the next envoy")
	images, err := Load(source, t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	if images.EnvoyDigest != without.EnvoyDigest || images.NextEnvoyDigest == images.EnvoyDigest {
		t.Errorf("the digests are %s and %s, want another one beside %s", images.EnvoyDigest, images.NextEnvoyDigest, without.EnvoyDigest)
	}
	answer := httptest.NewRecorder()
	images.Handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/v2/"+Envoy+"/manifests/"+images.NextEnvoyDigest, nil))
	if answer.Code != http.StatusOK {
		t.Errorf("the next Envoy is answered with status %d, want 200", answer.Code)
	}
}

func TestLoadNeedsFiles(t *testing.T) {
	t.Parallel()
	for file, want := range map[string]string{
		"bin/pause": "creating the image pause", "packages/libc/lib/x86_64-linux-gnu/libm.so.6": "looking for libm.so.6 in the unpacked C library",
	} {
		source := made(t)
		if err := os.Remove(filepath.Join(source.Cache, file)); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(source, t.TempDir()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("without %s: got %v, want %q", file, err, want)
		}
	}
}

func TestHandlerKnowsNoOtherImage(t *testing.T) {
	t.Parallel()
	images, err := Load(made(t), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	answer := httptest.NewRecorder()
	images.Handler.ServeHTTP(answer, httptest.NewRequest(http.MethodGet, "/v2/other/manifests/latest", nil))
	if answer.Code != http.StatusNotFound {
		t.Errorf("got status %d, want 404", answer.Code)
	}
}
