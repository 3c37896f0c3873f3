package check

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/registry"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// good returns the configuration of an image that breaks no rule.
func good() *v1.ConfigFile {
	return &v1.ConfigFile{
		OS: "linux", Architecture: "amd64",
		Config: v1.Config{User: "65532:65532", Entrypoint: []string{"/server"}},
	}
}

// cases lists changes to that configuration, with a part of the problem that each causes; empty for none.
var cases = map[string]struct {
	change  func(*v1.ConfigFile)
	want    string
	warning bool
}{
	"good":                 {func(*v1.ConfigFile) {}, "", false},
	"CMD only":             {func(c *v1.ConfigFile) { c.Config.Entrypoint, c.Config.Cmd = nil, []string{"node", "server.js"} }, "", false},
	"another number":       {func(c *v1.ConfigFile) { c.Config.User = "1000" }, "", false},
	"exposes 8080 as well": {func(c *v1.ConfigFile) { c.Config.ExposedPorts = map[string]struct{}{"9090/tcp": {}, "8080/tcp": {}} }, "", false},
	"no user":              {func(c *v1.ConfigFile) { c.Config.User = "" }, `its user is "root"`, true},
	"root":                 {func(c *v1.ConfigFile) { c.Config.User = "root:root" }, `its user is "root"`, true},
	"zero":                 {func(c *v1.ConfigFile) { c.Config.User = "0:65532" }, `its user is "0"`, true},
	"a name":               {func(c *v1.ConfigFile) { c.Config.User = "app:1000" }, `its user is "app"`, true},
	"nothing to run":       {func(c *v1.ConfigFile) { c.Config.Entrypoint = nil }, "neither ENTRYPOINT nor CMD", false},
	"architecture":         {func(c *v1.ConfigFile) { c.Architecture = "arm64" }, "built for linux/arm64", false},
	"Windows":              {func(c *v1.ConfigFile) { c.OS = "windows" }, "built for windows/amd64", false},
	"another port": {
		func(c *v1.ConfigFile) { c.Config.ExposedPorts = map[string]struct{}{"50051/tcp": {}, "8080/udp": {}} },
		"exposes 50051/tcp, 8080/udp and not 8080", true,
	},
}

func TestConfig(t *testing.T) {
	t.Parallel()
	for name, test := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := good()
			test.change(file)
			expect(t, Config(file, "amd64", nil), test.want, test.warning)
		})
	}
}

// TestCommand checks an image whose service.yaml says what to run.
func TestCommand(t *testing.T) {
	t.Parallel()
	file := good()
	file.Config.Entrypoint = nil
	expect(t, Config(file, "amd64", []string{"/bin/cart"}), "", false)
}

// expect checks that there is one problem with this text and of this kind, or none if the text is
// empty.
func expect(t *testing.T, got []Problem, want string, warning bool) {
	t.Helper()
	if want == "" {
		if len(got) != 0 {
			t.Errorf("got %+v, want no problem", got)
		}
		return
	}
	if len(got) != 1 || !strings.Contains(got[0].Text, want) || got[0].Warning != warning {
		t.Errorf("got %+v, want one that says %q, warning %t", got, want, warning)
	}
}

// serve starts a registry that may refuse, and returns its host.
func serve(t *testing.T, refuse int) string {
	t.Helper()
	handler := registry.New(registry.Logger(log.New(io.Discard, "", 0)))
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if refuse != 0 && strings.Contains(r.URL.Path, "manifests") {
			w.WriteHeader(refuse)
			return
		}
		handler.ServeHTTP(w, r)
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func image(t *testing.T, file *v1.ConfigFile) v1.Image {
	t.Helper()
	made, err := mutate.ConfigFile(empty.Image, file)
	if err != nil {
		t.Fatal(err)
	}
	return made
}

func TestImage(t *testing.T) {
	t.Parallel()
	host := serve(t, 0)
	other := good()
	other.Architecture, other.Config.User = "arm64", "root"
	both := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: image(t, good()), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
		mutate.IndexAddendum{Add: image(t, other), Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}})
	tag, err := name.NewTag(host + "/shop/both:latest")
	if err != nil {
		t.Fatal(err)
	}
	if err := remote.WriteIndex(tag, both); err != nil {
		t.Fatal(err)
	}
	digest, err := both.Digest()
	if err != nil {
		t.Fatal(err)
	}
	reference := host + "/shop/both@" + digest.String()
	expect(t, Image(t.Context(), reference, "amd64", nil), "", false)
	expect(t, Image(t.Context(), reference, "arm64", nil), `its user is "root"`, true)
	expect(t, Image(t.Context(), reference, "riscv64", nil), "no image for linux/riscv64", false)
	expect(t, Image(t.Context(), host+"/shop/both:latest", "amd64", nil), "must be named by digest", false)
	expect(t, Image(t.Context(), host+"/shop/none@"+digest.String(), "amd64", nil), "the registry does not have it", false)
}

func TestImageThatCannotBeLookedAt(t *testing.T) {
	t.Parallel()
	digest := "@sha256:" + strings.Repeat("0", 64)
	expect(t, Image(t.Context(), serve(t, http.StatusForbidden)+"/shop/a"+digest, "amd64", nil), "refuses this machine's credentials", true)
	expect(t, Image(t.Context(), "127.0.0.1:1/shop/a"+digest, "amd64", nil), "could not be checked", true)
}
