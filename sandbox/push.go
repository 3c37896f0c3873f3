package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"

	"example.com/grpc-edge/sandbox/addressplan"
	"example.com/grpc-edge/sandbox/gcp/artifactregistry/docker"
	"example.com/grpc-edge/sandbox/pulumi/stack"
)

// push stores the image of a `docker save` archive in the stack's repository, as the deployer,
// and prints its reference by digest, for `image` in a service.yaml.
func push(ctx context.Context, s sandbox, args []string) error {
	st, err := s.stack()
	if err != nil {
		return err
	}
	image, err := tarball.ImageFromPath(args[0], nil)
	if err != nil {
		return fmt.Errorf("reading %s: %w: it must be an archive of one image, as `docker save` writes it", args[0], err)
	}
	outputs, err := st.Outputs(ctx)
	if err != nil {
		return err
	}
	repository, ok := outputs["registry"].(string)
	if !ok {
		return errors.New("the stack has no repository yet: run `make up` first")
	}
	reference, err := digestReference(repository+"/"+args[1], image)
	if err != nil {
		return err
	}
	token, err := deployerToken(ctx, st)
	if err != nil {
		return err
	}
	transport, err := googleTransport(st.State.TrustFile())
	if err != nil {
		return err
	}
	if err := remote.Write(reference, image, remote.WithContext(ctx), remote.WithTransport(transport),
		remote.WithAuth(&authn.Basic{Username: docker.TokenUser, Password: token})); err != nil {
		return fmt.Errorf("pushing %s: %w", reference, err)
	}
	fmt.Println(reference)
	return nil
}

func digestReference(repository string, image v1.Image) (name.Digest, error) {
	digest, err := image.Digest()
	if err != nil {
		return name.Digest{}, err
	}
	return name.NewDigest(repository + "@" + digest.String())
}

// deployerToken asks the provider, as a Pulumi program does, for an access token of whoever deploys.
func deployerToken(ctx context.Context, st stack.Stack) (string, error) {
	settings, err := stack.ReadSettings(st.Tools.Root)
	if err != nil {
		return "", err
	}
	connection, err := dialCloud(st)
	if err != nil {
		return "", err
	}
	defer connection.Close()
	provider := pulumirpc.NewResourceProviderClient(connection)
	config, err := structpb.NewStruct(map[string]any{"project": settings.Project, "region": settings.Region})
	if err != nil {
		return "", err
	}
	if _, err := provider.Configure(ctx, &pulumirpc.ConfigureRequest{Args: config}); err != nil {
		return "", err
	}
	answer, err := provider.Invoke(ctx, &pulumirpc.InvokeRequest{Tok: "gcp:organizations/getClientConfig:getClientConfig"})
	if err != nil {
		return "", err
	}
	// The value of a secret stands in an object of its own ("Resource Provider Protocol", Pulumi).
	token := answer.GetReturn().GetFields()["accessToken"]
	if secret := token.GetStructValue(); secret != nil {
		token = secret.GetFields()["value"]
	}
	return token.GetStringValue(), nil
}

// googleTransport reaches the emulated hosts of Google from this machine, where their names do
// not resolve.
func googleTransport(trustFile string) (http.RoundTripper, error) {
	trust, err := os.ReadFile(trustFile)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(trust)
	return &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, net.JoinHostPort(addressplan.GoogleAPIs.String(), "443"))
		},
	}, nil
}
