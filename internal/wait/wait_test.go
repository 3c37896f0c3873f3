package wait

import (
	"context"
	"errors"
	"testing"
	"time"
)

// TestFor checks that For waits in full, or else returns the cause at once.
func TestFor(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	const short = 10 * time.Millisecond
	begun := time.Now()
	if err := For(ctx, short); err != nil || time.Since(begun) < short {
		t.Errorf("For = %v after %s, want nil after %s", err, time.Since(begun), short)
	}
	cause := errors.New("enough")
	cancel(cause)
	if err := For(ctx, time.Hour); !errors.Is(err, cause) {
		t.Errorf("For = %v, want %v", err, cause)
	}
}
