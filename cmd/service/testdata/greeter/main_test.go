package main

import (
	"context"
	"testing"

	"google.golang.org/grpc/health/grpc_health_v1"

	"example.com/grpc-edge/services/chassis/chassistest"
	greeterv1 "example.com/grpc-edge/services/greeter/greeter/v1"
)

func TestMain(m *testing.M) { chassistest.Main(m, main) }

func TestSay(t *testing.T) {
	t.Parallel()
	conn := chassistest.Start(t)
	ctx, cancel := context.WithTimeout(t.Context(), chassistest.Timeout)
	defer cancel()

	for content, want := range map[string]string{
		"":      "greeter: ",
		"hello": "greeter: hello",
	} {
		reply, err := greeterv1.NewGreeterServiceClient(conn).Say(ctx, &greeterv1.SayRequest{Content: content})
		if err != nil || reply.GetContent() != want {
			t.Errorf("Say(%q) = %q, %v, want %q", content, reply.GetContent(), err, want)
		}
	}
	health := grpc_health_v1.NewHealthClient(conn)
	if _, err := health.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: "greeter.v1.GreeterService"}); err != nil {
		t.Errorf("health of greeter.v1.GreeterService: %v", err)
	}
}
