package main

import (
	"context"
	"os"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/wrapperspb"

	"example.com/grpc-edge/services/chassis/chassistest"
	"example.com/grpc-edge/services/echo/api"
)

func TestMain(m *testing.M) { chassistest.Main(m, main) }

func TestEcho(t *testing.T) {
	t.Parallel()
	conn := chassistest.Start(t)
	ctx, cancel := context.WithTimeout(t.Context(), chassistest.Timeout)
	defer cancel()
	hostname, _ := os.Hostname()

	for name, content := range map[string]string{
		"empty":           "",
		"text":            "echo",
		"lines":           "one\r\ntwo\n\x00",
		"combining marks": "e\u0301",
		"emoji":           "👨‍👩‍👧‍👦🇩🇪",
		"long":            strings.Repeat("long ", 500_000),
	} {
		var header metadata.MD
		reply, err := api.NewEchoClient(conn).Echo(ctx, &api.EchoRequest{Content: content}, grpc.Header(&header))
		if err != nil || reply.GetContent() != content {
			t.Errorf("%s: Echo(%.40q) = %.40q, %v", name, content, reply.GetContent(), err)
		}
		if got := header.Get("hostname"); !slices.Equal(got, []string{hostname}) {
			t.Errorf("%s: response header hostname = %v, want once %q", name, got, hostname)
		}
	}
}

func TestWireFormatIsTheSamples(t *testing.T) {
	t.Parallel()
	conn := chassistest.Start(t)
	ctx, cancel := context.WithTimeout(t.Context(), chassistest.Timeout)
	defer cancel()

	// BytesValue has one field, number 1, as the sample's messages.
	for name, test := range map[string]struct {
		sent string
		want codes.Code
	}{
		"text":          {"echo", codes.OK},
		"invalid UTF-8": {"\xff", codes.Internal},
	} {
		reply := &wrapperspb.BytesValue{}
		err := conn.Invoke(ctx, "/api.Echo/Echo", wrapperspb.Bytes([]byte(test.sent)), reply)
		if status.Code(err) != test.want || err == nil && string(reply.GetValue()) != test.sent {
			t.Errorf("%s: /api.Echo/Echo = %v, %v, want code %v", name, reply, err, test.want)
		}
	}
	health := grpc_health_v1.NewHealthClient(conn)
	if _, err := health.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: "api.Echo"}); err != nil {
		t.Errorf("health of api.Echo: %v", err)
	}
}
