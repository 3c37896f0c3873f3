package main

import (
	"context"
	"fmt"
	"slices"

	"example.com/grpc-edge/sandbox/hold"
)

// holdCalls keeps the engine waiting at each resource, lets it go, or lists where it waits.
func holdCalls(_ context.Context, s sandbox, words []string) error {
	if !s.state.Exists() {
		return errDown
	}
	if slices.Equal(words, []string{"off"}) {
		return hold.Clear(s.state.Dir)
	}
	if len(words) > 0 {
		h, err := hold.Parse(words)
		if err != nil {
			return err
		}
		return hold.Set(s.state.Dir, h)
	}
	held, err := hold.Held(s.state.Dir)
	for _, urn := range held {
		fmt.Println(urn)
	}
	return err
}
