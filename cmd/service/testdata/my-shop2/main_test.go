package main

import (
	"context"
	"testing"

	"google.golang.org/grpc/health/grpc_health_v1"

	"example.com/grpc-edge/services/chassis/chassistest"
	myshop2v1 "example.com/grpc-edge/services/my-shop2/my_shop2/v1"
)

func TestMain(m *testing.M) { chassistest.Main(m, main) }

func TestSay(t *testing.T) {
	t.Parallel()
	conn := chassistest.Start(t)
	ctx, cancel := context.WithTimeout(t.Context(), chassistest.Timeout)
	defer cancel()

	for content, want := range map[string]string{
		"":      "my-shop2: ",
		"hello": "my-shop2: hello",
	} {
		reply, err := myshop2v1.NewMyShop2ServiceClient(conn).Say(ctx, &myshop2v1.SayRequest{Content: content})
		if err != nil || reply.GetContent() != want {
			t.Errorf("Say(%q) = %q, %v, want %q", content, reply.GetContent(), err, want)
		}
	}
	health := grpc_health_v1.NewHealthClient(conn)
	if _, err := health.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: "my_shop2.v1.MyShop2Service"}); err != nil {
		t.Errorf("health of my_shop2.v1.MyShop2Service: %v", err)
	}
}
