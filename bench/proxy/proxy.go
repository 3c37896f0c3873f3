// Package proxy runs the proxies that the benchmark compares, each with a
// configuration for production, one at a time.
package proxy

import (
	"bytes"
	"embed"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"text/template"

	"example.com/grpc-edge/envoy"
)

// Setting is what every proxy is told.
type Setting struct {
	// Dir is an empty folder of its own. It has tls.crt, tls.key and both in tls.pem.
	Dir string
	// Port takes TLS from clients.
	Port int
	// OtherPorts are free, for whatever else the proxy listens on.
	OtherPorts [3]int
	// Workers is how many CPUs the proxy runs on.
	Workers int
	// Name and Resolver are the DNS name of the backends and who knows it; BackendPort
	// is theirs, and Backends has the addresses, for proxies that are told them.
	Name        string
	Resolver    netip.AddrPort
	BackendPort int
	Backends    []string
	Identity    *Identity
}

// Proxy is a program and how it is configured.
type Proxy struct {
	// Key names it on the command line, Title in the report.
	Key, Title string
	binary     binary
	// files are written to Setting.Dir.
	files func(Setting) (map[string]string, error)
	args  func(Setting) []string
	// version are the arguments that print the version.
	version []string
}

// All returns the proxies that are compared. The first three are the edge of this repository:
// as the stack has it by default, with everything on, and with as few keys as possible.
func All() []Proxy {
	few := Edge(Few())
	few.Key, few.Title = "edge-few", "this edge, few keys"
	return []Proxy{Default("edge", "this edge, by default", nil), Edge(nil), few, minimal(), nginx(), haproxy(), traefik()}
}

// Scales returns the edge by default with ever more services, of which one is called: the
// first in the configuration, or the last.
func Scales() []Proxy {
	return []Proxy{
		Default("edge-2", "2 services", func(c *envoy.Config) { c.Backends = append(c.Backends, others(c, 1)...) }),
		Default("edge-200-first", "200 services, the first is called", func(c *envoy.Config) { c.Backends = append(c.Backends, others(c, 199)...) }),
		Default("edge-200-last", "200 services, the last is called", func(c *envoy.Config) { c.Backends = append(others(c, 199), c.Backends...) }),
	}
}

//go:embed config
var config embed.FS

// templates fills in the files of the folder config.
func templates(names ...string) func(Setting) (map[string]string, error) {
	return func(s Setting) (map[string]string, error) {
		files := map[string]string{}
		for _, name := range names {
			parsed, err := template.ParseFS(config, "config/"+name)
			if err != nil {
				return nil, err
			}
			var text bytes.Buffer
			if err := parsed.Execute(&text, s); err != nil {
				return nil, err
			}
			files[name] = text.String()
		}
		return files, nil
	}
}

// minimal is Envoy as Google's tutorial configures it.
func minimal() Proxy {
	return Proxy{
		Key: "minimal", Title: "Envoy as in the tutorial", binary: cached("bin/envoy"), version: []string{"--version"},
		files: templates("minimal.yaml"),
		args: func(s Setting) []string {
			return []string{"--config-path", filepath.Join(s.Dir, "minimal.yaml"), "--concurrency", fmt.Sprint(s.Workers), "--disable-hot-restart", "--log-level", "warning"}
		},
	}
}

func nginx() Proxy {
	return Proxy{
		Key: "nginx", Title: "nginx", binary: debian("nginx"), version: []string{"-v"},
		files: templates("nginx.conf"),
		args:  func(s Setting) []string { return []string{"-p", s.Dir, "-e", "stderr", "-c", "nginx.conf"} },
	}
}

func haproxy() Proxy {
	return Proxy{
		Key: "haproxy", Title: "HAProxy", binary: debian("haproxy"), version: []string{"-v"},
		files: templates("haproxy.cfg"),
		args:  func(s Setting) []string { return []string{"-db", "-f", filepath.Join(s.Dir, "haproxy.cfg")} },
	}
}

func traefik() Proxy {
	return Proxy{
		Key: "traefik", Title: "Traefik", binary: cached("bin/traefik"), version: []string{"version"},
		files: templates("traefik.yaml", "traefik-routes.yaml"),
		args:  func(s Setting) []string { return []string{"--configfile=" + filepath.Join(s.Dir, "traefik.yaml")} },
	}
}

// binary is a program and what it needs in its environment.
type binary struct {
	path, libraries string
}

// cache is where `make bench-edge` puts the programs, seen from this module.
const cache = "../.cache"

func cached(path string) binary { return binary{path: filepath.Join(cache, path)} }

// debian is a program of the distribution, unpacked by `make bench-edge` or installed.
func debian(name string) binary {
	root := filepath.Join(cache, "bench", "root")
	libraries, _ := filepath.Glob(filepath.Join(root, "usr/lib/*-linux-gnu"))
	b := binary{path: filepath.Join(root, "usr/sbin", name), libraries: strings.Join(libraries, ":")}
	if _, err := os.Stat(b.path); err != nil {
		b = binary{path: name}
	}
	return b
}

func (b binary) command(args ...string) (*exec.Cmd, error) {
	path, err := exec.LookPath(b.path)
	if err != nil {
		return nil, fmt.Errorf("looking for a proxy: %w; `make bench-edge` fetches and builds them all", err)
	}
	if path, err = filepath.Abs(path); err != nil {
		return nil, err
	}
	cmd := exec.Command(path, args...)
	if b.libraries != "" {
		absolute, err := filepath.Abs(b.libraries)
		if err != nil {
			return nil, err
		}
		cmd.Env = append(os.Environ(), "LD_LIBRARY_PATH="+absolute)
	}
	return cmd, nil
}

// Version is what the program says of itself.
func (p Proxy) Version() (string, error) {
	cmd, err := p.binary.command(p.version...)
	if err != nil {
		return "", err
	}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("asking for the version: %w: %s", err, out)
	}
	number := version.FindString(string(out))
	if number == "" {
		return "", fmt.Errorf("asking %s for its version: it said %q", p.Key, out)
	}
	return number, nil
}
