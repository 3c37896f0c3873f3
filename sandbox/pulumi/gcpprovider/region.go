package gcpprovider

import (
	"context"
	"fmt"
	"log/slog"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/compute"
)

// listRegions asks for the regions, as the official provider does at its start to see whether
// gcp:region is one of them (pulumi-gcp, provider/resources.go: preConfigureCallbackWithLogger). If
// it may not, it warns, and goes on.
func (p *provider) listRegions(ctx context.Context, s *session) {
	if s.place.Project == "" || s.place.Region == "" {
		return
	}
	err := compute.ListRegions(gcp.As(ctx, s.account), p.cloud, s.place.Project)
	if err == nil {
		return
	}
	if err := warn(ctx, p.sessions.engine(ctx), fmt.Sprintf("failed to get regions list: %v", err)); err != nil {
		slog.Warn("telling the engine", "error", err)
	}
}

// warn shows a warning in the run of an engine. An engine that gave no address gets no warning.
func warn(ctx context.Context, engine, text string) error {
	if engine == "" {
		return nil
	}
	conn, err := grpc.NewClient(engine, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return err
	}
	defer conn.Close()
	_, err = pulumirpc.NewEngineClient(conn).Log(ctx, &pulumirpc.LogRequest{Severity: pulumirpc.LogSeverity_WARNING, Message: text})
	return err
}
