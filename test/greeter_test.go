package test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"
)

// addGreeter adds a service as a person does: with one command and `make up`.
func addGreeter(ctx context.Context, t *testing.T, c checkout) {
	old := pods(ctx, t, c)
	c.must(ctx, t, "make", "service", "NAME=greeter")
	greeting := c.must(ctx, t, "make", "up")
	if !strings.Contains(greeting, "greeter.v1.GreeterService/") {
		t.Errorf("`make up` prints no command for the new service")
	}
	for _, pod := range pods(ctx, t, c) {
		isOld := slices.Contains(old, pod)
		untouched := strings.HasPrefix(pod, "echo-") || strings.HasPrefix(pod, "reverse-")
		if untouched && !isOld {
			t.Errorf("pod %s is new: the other services were rolled", pod)
		}
	}
	// Pods of the directory from before the rollout still answer some calls while they drain.
	eventually(ctx, t, time.Minute, func() error {
		if got := listServices(ctx, t, c); !slices.Contains(got, "greeter.v1.GreeterService") {
			return fmt.Errorf("grpcurl list shows %q, want also greeter.v1.GreeterService", got)
		}
		return nil
	})
	var reply map[string]string
	text := grpcurl(ctx, t, c, `{"content": "hello"}`, "greeter.v1.GreeterService/Say")
	if err := json.Unmarshal([]byte(text), &reply); err != nil || reply["content"] == "" {
		t.Errorf("greeter.v1.GreeterService/Say answers %s, %v", text, err)
	}
	if status, got := post(t, outputs(ctx, t, c), "/v1/greeter:say", `{"content": "hello"}`); status != 200 || !strings.Contains(got, `"content":"`) {
		t.Errorf("POST /v1/greeter:say = %d %s", status, got)
	}
}
