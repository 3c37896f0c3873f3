package gcpprovider_test

import (
	"net"
	"os"
	"path/filepath"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/pulumi/gcpprovider"
	"example.com/grpc-edge/sandbox/pulumi/languagehost"
)

// TestMain lets the test binary be the CLI's language plugin, see clitest.
func TestMain(m *testing.M) {
	if filepath.Base(os.Args[0]) == "pulumi-language-go" {
		os.Exit(languagehost.Main(os.Args[1:]))
	}
	os.Exit(m.Run())
}

// serve serves the provider and returns its port.
func serve(t *testing.T, cloud *gcp.Cloud) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	pulumirpc.RegisterResourceProviderServer(server, gcpprovider.New(cloud))
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	return port
}
