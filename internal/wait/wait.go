// Package wait waits for a time that a context can cut short.
package wait

import (
	"context"
	"time"
)

// For waits for the duration. It returns early, with the cause, if the context ends.
func For(ctx context.Context, d time.Duration) error {
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-time.After(d):
		return nil
	}
}
