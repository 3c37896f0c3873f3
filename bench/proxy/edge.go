package proxy

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"time"

	"google.golang.org/genproto/googleapis/api/annotations"
	benchpb "google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"example.com/grpc-edge/bench/backend"
	"example.com/grpc-edge/envoy"
	"example.com/grpc-edge/services/echo/api"
)

// Change adds a feature to the edge, or takes one off it, to measure its cost.
type Change struct {
	Name string
	// Config changes the input of the configuration. Bootstrap changes the generated
	// configuration. Either may be nil.
	Config    func(*envoy.Config)
	Bootstrap func(map[string]any)
}

// EdgeFeatures describes in the report the edge with everything on.
const EdgeFeatures = `REST by JSON transcoding; gRPC-Web and CORS for one origin; TLS 1.2 and newer with a client
certificate verified and passed on; the authority checked in SNI and in each call; ranges of allowed and denied
client addresses, for all and for the method; rate limits for each client and for the method, high enough to stop
nobody; a token (JWT) asked for another method, so that each call is checked for whether it needs one; deadlines capped; connection age;
retries; active gRPC health checks; connection and memory limits with the overload manager; an access log in JSON; Prometheus
statistics; and whatever else this repository's configuration of Envoy has by default. The features that need another server or
version are off: tracing, canary, mirror and zones.`

// never is a rate limit that no load here reaches.
var never = envoy.Rate{PerSecond: 1_000_000, Burst: 1_000_000}

// DefaultFeatures describes in the report the edge by default.
const DefaultFeatures = `The defaults of the stack's keys: one authority, REST, deadlines capped at an hour, the memory limit, and
whatever this repository's configuration of Envoy always has: gRPC-Web, retries, health checks, outlier detection, circuit
breakers, limits, the overload manager, forged headers and trailers dropped, request ids, an access log in JSON, and statistics by
method.`

// defaults returns the edge's Config with the default keys of the stack.
func defaults(s Setting) envoy.Config {
	return envoy.Config{
		Backends: []envoy.Backend{{
			Name: "backends", Address: s.Name, Port: uint32(s.BackendPort), Services: backend.Services(),
		}},
		Resolvers:      []netip.AddrPort{s.Resolver},
		ConfigDir:      s.Dir,
		CertificateDir: s.Dir,
		HTTPSPort:      uint32(s.Port),
		MetricsPort:    uint32(s.OtherPorts[0]),
		ReadyPort:      uint32(s.OtherPorts[1]),
		AdminPort:      uint32(s.OtherPorts[2]),

		Authorities: []string{Authority},
		REST:        true,
		MaxDeadline: time.Hour,
		MemoryLimit: 1 << 30,

		MaxConnectionAge: 10 * time.Minute,
	}
}

// everything returns the edge's Config with all features that need no other server.
func everything(s Setting) (envoy.Config, error) {
	jwks, err := s.Identity.jwks()
	if err != nil {
		return envoy.Config{}, err
	}
	loopback := []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8")}
	c := defaults(s)
	c.ClientCA = s.Identity.ca
	c.Origins = []string{"https://app.example.com"}
	c.AllowedClients, c.DeniedClients = loopback, []netip.Prefix{netip.MustParsePrefix("192.0.2.0/24")}
	c.Issuers = []envoy.Issuer{{
		Name: "bench", Issuer: "https://issuer.example.com", Audiences: []string{"grpc-edge"}, JWKS: jwks,
	}}
	c.Rules = []envoy.Rule{
		{Service: name(api.File_api_echo_proto, 0), Method: "Echo", Clients: loopback, Rate: never},
		{Service: name(benchpb.File_grpc_testing_benchmark_service_proto, 0), Method: "StreamingCall", Clients: loopback, Rate: never},
		{Service: name(benchpb.File_grpc_testing_benchmark_service_proto, 0), Method: "UnaryCall", Issuers: []string{"bench"}},
	}
	c.ClientRate = never
	return c, nil
}

func name(file protoreflect.FileDescriptor, i int) protoreflect.FullName {
	return file.Services().Get(i).FullName()
}

// others returns n more backends at the address of the first. Each has one service with ten
// methods. All have a REST path, and half of them are safe to retry.
func others(c *envoy.Config, n int) []envoy.Backend {
	var list []envoy.Backend
	for i := range n {
		service := &descriptorpb.ServiceDescriptorProto{Name: proto.String("Other")}
		for j := range 10 {
			options := &descriptorpb.MethodOptions{}
			if j%2 == 0 {
				options.IdempotencyLevel = descriptorpb.MethodOptions_NO_SIDE_EFFECTS.Enum()
			}
			proto.SetExtension(options, annotations.E_Http, &annotations.HttpRule{
				Pattern: &annotations.HttpRule_Post{Post: fmt.Sprintf("/v1/other%d/method%d", i, j)}, Body: "*",
			})
			service.Method = append(service.Method, &descriptorpb.MethodDescriptorProto{
				Name: proto.String(fmt.Sprintf("Method%d", j)), InputType: proto.String(".api.EchoRequest"), OutputType: proto.String(".api.EchoRequest"),
				Options: options,
			})
		}
		file, err := protodesc.NewFile(&descriptorpb.FileDescriptorProto{
			Name: proto.String(fmt.Sprintf("other%d.proto", i)), Package: proto.String(fmt.Sprintf("other%d", i)), Syntax: proto.String("proto3"),
			Dependency: []string{api.File_api_echo_proto.Path()}, Service: []*descriptorpb.ServiceDescriptorProto{service},
		}, protoregistry.GlobalFiles)
		if err != nil {
			panic(err) // it is the same each time
		}
		other := c.Backends[0]
		other.Name, other.Services = fmt.Sprintf("other-%d", i), envoy.Services(file)
		list = append(list, other)
	}
	return list
}

// Everything returns this repository's Envoy with everything on.
func Everything() Proxy {
	return edge("edge-everything", "this edge, everything on", func(s Setting) (map[string]string, error) {
		config, err := everything(s)
		if err != nil {
			return nil, err
		}
		return envoy.Files(config)
	})
}

// Default returns this repository's Envoy by default, with the change, which may be nil.
func Default(key, title string, change *Change) Proxy {
	return edge(key, title, func(s Setting) (map[string]string, error) { return edgeFiles(defaults(s), change) })
}

// edge returns Envoy with these files, as the pods of a large stack get them.
func edge(key, title string, files func(Setting) (map[string]string, error)) Proxy {
	compact := func(s Setting) (map[string]string, error) {
		list, err := files(s)
		for name, text := range list {
			if list[name], err = envoy.Compact(text); err != nil {
				return nil, fmt.Errorf("writing %s: %w", name, err)
			}
		}
		return list, err
	}
	return Proxy{
		Key: key, Title: title, binary: cached("bin/envoy"), version: []string{"--version"}, files: compact,
		args: func(s Setting) []string {
			return append(envoy.Args(envoy.Config{ConfigDir: s.Dir}), "--concurrency", fmt.Sprint(s.Workers))
		},
	}
}

// bootstrapFile is the name of the bootstrap configuration in envoy.Files.
const bootstrapFile = "envoy.json"

// Size returns the bytes of the configuration in the edge's folder, as it is and gzipped.
func Size(dir string) (size, packed int64, err error) {
	text, err := os.ReadFile(filepath.Join(dir, bootstrapFile))
	if err != nil {
		return 0, 0, err
	}
	var buffer bytes.Buffer
	writer := gzip.NewWriter(&buffer)
	if _, err := writer.Write(text); err != nil {
		return 0, 0, err
	}
	err = writer.Close()
	return int64(len(text)), int64(buffer.Len()), err
}

func edgeFiles(config envoy.Config, change *Change) (map[string]string, error) {
	if change != nil && change.Config != nil {
		change.Config(&config)
	}
	if change == nil || change.Bootstrap == nil {
		return envoy.Files(config)
	}
	files, tree, err := bootstrap(config)
	if err != nil {
		return nil, err
	}
	change.Bootstrap(tree)
	text, err := json.Marshal(tree)
	files[bootstrapFile] = string(text)
	return files, err
}

// bootstrap returns the edge's files, and its bootstrap configuration as a tree.
func bootstrap(config envoy.Config) (files map[string]string, tree map[string]any, err error) {
	if files, err = envoy.Files(config); err != nil {
		return nil, nil, err
	}
	if err := json.Unmarshal([]byte(files[bootstrapFile]), &tree); err != nil {
		return nil, nil, fmt.Errorf("reading the edge's configuration: %w", err)
	}
	return files, tree, nil
}
