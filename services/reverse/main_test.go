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
	"example.com/grpc-edge/services/reverse/api"
)

func TestMain(m *testing.M) { chassistest.Main(m, main) }

func TestReverse(t *testing.T) {
	t.Parallel()
	conn := chassistest.Start(t)
	ctx, cancel := context.WithTimeout(t.Context(), chassistest.Timeout)
	defer cancel()
	hostname, _ := os.Hostname()

	for name, test := range map[string]struct{ content, want string }{
		"empty":            {"", ""},
		"one":              {"a", "a"},
		"text":             {"reverse", "esrever"},
		"spaces":           {"a  b ", " b  a"},
		"line ends":        {"a\r\nb\n", "\nb\r\na"},
		"precomposed":      {"caf\u00e9", "\u00e9fac"},
		"combining mark":   {"cafe\u0301s", "se\u0301fac"},
		"several marks":    {"a\u0323\u0302b", "ba\u0323\u0302"},
		"family":           {"a👨‍👩‍👧‍👦b", "b👨‍👩‍👧‍👦a"},
		"skin tone":        {"👍🏽!", "!👍🏽"},
		"flags":            {"🇩🇪🇫🇷", "🇫🇷🇩🇪"},
		"flag of Scotland": {"🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007fx", "x🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f"},
		"keycap":           {"1\ufe0f\u20e32", "21\ufe0f\u20e3"},
		"Hangul jamo":      {"\u1112\u1161\u11ab\u1100\u1173\u11af", "\u1100\u1173\u11af\u1112\u1161\u11ab"},
		"Devanagari":       {"नि१", "१नि"},
		"NUL":              {"a\x00b", "b\x00a"},
		"long":             {strings.Repeat("ab", 500_000), strings.Repeat("ba", 500_000)},
	} {
		var header metadata.MD
		reply, err := api.NewReverseClient(conn).Reverse(ctx, &api.ReverseRequest{Content: test.content}, grpc.Header(&header))
		if err != nil || reply.GetContent() != test.want {
			t.Errorf("%s: Reverse(%.40q) = %.40q, %v, want %.40q", name, test.content, reply.GetContent(), err, test.want)
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
		sent, want string
		code       codes.Code
	}{
		"text":          {"reverse", "esrever", codes.OK},
		"invalid UTF-8": {"a\xff", "", codes.Internal},
	} {
		reply := &wrapperspb.BytesValue{}
		err := conn.Invoke(ctx, "/api.Reverse/Reverse", wrapperspb.Bytes([]byte(test.sent)), reply)
		if status.Code(err) != test.code || string(reply.GetValue()) != test.want {
			t.Errorf("%s: /api.Reverse/Reverse = %v, %v, want %q, code %v", name, reply, err, test.want, test.code)
		}
	}
	health := grpc_health_v1.NewHealthClient(conn)
	if _, err := health.Check(ctx, &grpc_health_v1.HealthCheckRequest{Service: "api.Reverse"}); err != nil {
		t.Errorf("health of api.Reverse: %v", err)
	}
}
