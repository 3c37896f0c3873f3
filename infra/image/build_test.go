package image

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
)

const services = "../../services"

func build(t *testing.T, dir, architecture string) *Built {
	t.Helper()
	built, err := Build(t.Context(), Source{Dir: filepath.Join(dir, "echo"), Name: "echo", Architecture: architecture})
	if err != nil {
		t.Fatal(err)
	}
	return built
}

func TestBuildIsReproducible(t *testing.T) {
	first := build(t, services, "amd64")

	// Another folder, with what the service is built from and nothing else.
	elsewhere := t.TempDir()
	for _, module := range []string{"chassis", "echo"} {
		if err := os.CopyFS(filepath.Join(elsewhere, module), os.DirFS(filepath.Join(services, module))); err != nil {
			t.Fatal(err)
		}
	}
	// What a machine may have set must not matter.
	t.Setenv("GOFLAGS", "-tags=other")
	t.Setenv("CGO_ENABLED", "1")
	if again := build(t, elsewhere, "amd64"); again.Digest != first.Digest {
		t.Errorf("digest in another folder = %s, want %s", again.Digest, first.Digest)
	}

	main := filepath.Join(elsewhere, "echo", "main.go")
	source, err := os.ReadFile(main)
	if err != nil {
		t.Fatal(err)
	}
	comment := append(source, "// A comment at the end alters no program.\n"...)
	if err := os.WriteFile(main, comment, 0o600); err != nil {
		t.Fatal(err)
	}
	if commented := build(t, elsewhere, "amd64"); commented.Digest != first.Digest {
		t.Errorf("digest after a comment = %s, want %s", commented.Digest, first.Digest)
	}
	changed := append(source, "func init() { println(\"a change\") }\n"...)
	if err := os.WriteFile(main, changed, 0o600); err != nil {
		t.Fatal(err)
	}
	if other := build(t, elsewhere, "amd64"); other.Digest == first.Digest {
		t.Errorf("digest after a change is the same: %s", other.Digest)
	}
}

func TestBuildTellsWhatIsWrong(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	for name, content := range map[string]string{"go.mod": "module broken\n", "main.go": "package main\n\nfunc main() { missing() }\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	_, err := Build(t.Context(), Source{Dir: dir, Name: "broken", Architecture: "amd64"})
	if err == nil || !strings.HasPrefix(err.Error(), "building broken in "+dir) || !strings.Contains(err.Error(), "main.go:3:15: undefined: missing") {
		t.Errorf("Build = %v, want the message of the compiler", err)
	}
}

func TestImage(t *testing.T) {
	t.Parallel()
	image, err := pack(Source{Name: "echo", Architecture: "arm64"}, []byte("program"))
	if err != nil {
		t.Fatal(err)
	}
	file, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if want := (v1.Config{Entrypoint: []string{"/app/echo"}, User: "65532:65532", WorkingDir: "/"}); !cmp.Equal(want, file.Config) {
		t.Errorf("config (-want +got):\n%s", cmp.Diff(want, file.Config))
	}
	if file.OS != "linux" || file.Architecture != "arm64" || !file.Created.IsZero() {
		t.Errorf("platform and time = %s/%s, %s; want linux/arm64 and none", file.OS, file.Architecture, file.Created)
	}
	want := []string{
		"-rw-r--r-- etc/passwd 1970 nonroot:x:65532:65532:nonroot:/:/sbin/nologin\n",
		"-rwxr-xr-x app/echo 1970 program",
		"drwxr-xr-x app 1970",
		"drwxr-xr-x etc 1970",
	}
	if diff := cmp.Diff(want, files(t, image)); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

func files(t *testing.T, image v1.Image) []string {
	t.Helper()
	content := mutate.Extract(image)
	defer content.Close()
	var list []string
	for reader := tar.NewReader(content); ; {
		header, err := reader.Next()
		if errors.Is(err, io.EOF) {
			return slices.Sorted(slices.Values(list))
		}
		if err != nil {
			t.Fatal(err)
		}
		var body bytes.Buffer
		if _, err := io.Copy(&body, reader); err != nil {
			t.Fatal(err)
		}
		info := header.FileInfo().Mode().String() + " " + header.Name + " " + header.ModTime.UTC().Format("2006")
		list = append(list, strings.TrimSuffix(info+" "+body.String(), " "))
	}
}

func TestBuildAllTellsAllErrors(t *testing.T) {
	broken := func(name string) Source {
		dir := t.TempDir()
		for file, content := range map[string]string{"go.mod": "module " + name + "\n\ngo 1.26.0\n", "main.go": "package main\n\nfunc main() { " + name + "() }\n"} {
			if err := os.WriteFile(filepath.Join(dir, file), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return Source{Dir: dir, Name: name, Architecture: "amd64"}
	}
	echo := Source{Dir: filepath.Join(services, "echo"), Name: "echo", Architecture: "amd64"}
	_, err := BuildAll(t.Context(), t.TempDir(), []Source{broken("first"), echo, broken("second")})
	for _, name := range []string{"undefined: first", "undefined: second"} {
		if err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("error = %v, want it to say %q", err, name)
		}
	}
	images, err := BuildAll(t.Context(), t.TempDir(), []Source{echo, {Dir: filepath.Join(services, "reverse"), Name: "reverse", Architecture: "amd64"}})
	if err != nil {
		t.Fatal(err)
	}
	if alone := build(t, services, "amd64"); images["echo"].Digest != alone.Digest || images["reverse"].Digest == alone.Digest {
		t.Errorf("digests = %s and %s, want that of echo alone, %s, and another", images["echo"].Digest, images["reverse"].Digest, alone.Digest)
	}
}
