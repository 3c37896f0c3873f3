package test

import (
	"context"
	"testing"

	"example.com/grpc-edge/test/chaos"
)

// breakThings runs the events for which one node is enough. `make resilience` runs all.
func breakThings(ctx context.Context, t *testing.T, c checkout) {
	s, err := chaos.Open(ctx, c.dir, t.Output())
	if err != nil {
		t.Fatal(err)
	}
	for _, event := range chaos.Short() {
		outcome := event.Run(ctx, s)
		t.Logf("%s: %d calls, %d failed %v, %d retried; p99 %v, %v, %v; recovered after %v", event.Title,
			outcome.Sent, outcome.Failed, outcome.Failures, outcome.Retried, outcome.Before, outcome.During, outcome.After, outcome.Recovered)
		for _, broken := range outcome.Broken {
			t.Errorf("%s: %s", event.Title, broken)
		}
	}
}
