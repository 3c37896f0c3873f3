package main

import (
	"context"
	"testing"

	"google.golang.org/grpc/health/grpc_health_v1"

	"example.com/grpc-edge/services/chassis/chassistest"
	"example.com/grpc-edge/services/greeter/api"
)

func TestMain(m *testing.M) { chassistest.Main(m, main) }

func TestGreeter(t *testing.T) {
	t.Parallel()
	conn := chassistest.Start(t)
	ctx, cancel := context.WithTimeout(t.Context(), chassistest.Timeout)
	defer cancel()

	for content, want := range map[string]string{
		"":      "greeter: ",
		"hello": "greeter: hello",
	} {
		reply, err := api.NewGreeterClient(conn).Greeter(ctx, &api.GreeterRequest{Content: content})
		if err != nil || reply.GetContent() != want {
			t.Errorf("Greeter(%q) = %q, %v, want %q", content, reply.GetContent(), err, want)
		}
	}
	health := grpc_health_v1.NewHealthClient(conn)
	if _, err := health.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: "api.Greeter"}); err != nil {
		t.Errorf("health of api.Greeter: %v", err)
	}
}
