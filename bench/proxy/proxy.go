// Package proxy runs the proxies that the benchmark compares, one at a time. Each has a
// configuration for production.
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

// Setting holds the input of every proxy's configuration.
type Setting struct {
	// Dir is the proxy's own folder, which is empty before. Start writes tls.crt, tls.key,
	// and both in tls.pem.
	Dir string
	// Port is for clients, with TLS.
	Port int
	// OtherPorts are free ports for other listeners of the proxy.
	OtherPorts [3]int
	// Workers is the number of CPUs that the proxy runs on.
	Workers int
	// Name is the DNS name of the backends, and Resolver the DNS server for it. BackendPort
	// is their port. Backends lists their addresses, for proxies that do not use DNS.
	Name        string
	Resolver    netip.AddrPort
	BackendPort int
	Backends    []string
	Identity    *Identity
}

// Proxy describes a program and its configuration.
type Proxy struct {
	// Key names the proxy on the command line. Title names it in the report.
	Key, Title string
	binary     binary
	// files returns the content of files in Setting.Dir, by name.
	files func(Setting) (map[string]string, error)
	args  func(Setting) []string
	// version holds the arguments that print the version.
	version []string
}

// All returns the proxies that are compared. The first three are the edge of this repository:
// as the stack has it by default, with everything on, and with as few keys as possible.
func All() []Proxy {
	return []Proxy{
		Default("edge", "this edge, by default", nil),
		Everything(),
		Default("edge-few", "this edge, few keys", Few()),
		Minimal(), nginx(), haproxy(), traefik(),
	}
}

// Scale describes the edge by default with a number of services, of which the first or the
// last in the configuration is called.
type Scale struct {
	Proxy
	Services int
	Last     bool
}

// Scales returns the edge with 2, 50, 200 and 500 services (issue 16). With 200, the first is
// called, too, to see what the place of a service costs.
func Scales() []Scale {
	return []Scale{scale(2, true), scale(50, true), scale(200, false), scale(200, true), scale(500, true)}
}

func scale(services int, last bool) Scale {
	place := map[bool]string{false: "first", true: "last"}[last]
	more := func(c *envoy.Config) {
		list := others(c, services-1)
		if last {
			c.Backends = append(list, c.Backends...)
		} else {
			c.Backends = append(c.Backends, list...)
		}
	}
	edge := Default(fmt.Sprintf("edge-%d-%s", services, place), fmt.Sprintf("%d services, the %s is called", services, place), &Change{Config: more})
	return Scale{edge, services, last}
}

//go:embed config
var config embed.FS

// templates returns a function that fills in files of the folder config.
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

// Minimal returns Envoy as Google's tutorial configures it.
func Minimal() Proxy {
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

// binary describes a program and the folders of its libraries.
type binary struct {
	path, libraries string
}

// cache is the folder of the programs from `make bench-edge`, relative to this module.
const cache = "../.cache"

func cached(path string) binary { return binary{path: filepath.Join(cache, path)} }

// debian returns a program of the distribution. `make bench-edge` has unpacked it, or else
// it is installed.
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

// Version returns the version that the program prints.
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
