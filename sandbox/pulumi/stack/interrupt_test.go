package stack

import (
	"os"
	"slices"
	"testing"
)

func TestInterrupt(t *testing.T) {
	t.Parallel()
	s := newStack(t, "")
	if err := os.MkdirAll(s.State.Dir, 0o700); err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct {
		interrupted, succeeded bool
		want                   []string
	}{
		{false, true, nil},
		{true, false, []string{"--refresh"}},
		{false, false, []string{"--refresh"}}, // the update with the refresh failed
		{true, true, []string{"--refresh"}},   // the interrupt came at the very end
		{false, true, nil},
		{false, false, nil},
	} {
		if err := s.NoteInterrupt(step.interrupted, step.succeeded); err != nil {
			t.Fatal(err)
		}
		if got := s.AfterInterrupt(); !slices.Equal(got, step.want) {
			t.Errorf("step %d: flags %q, want %q", i, got, step.want)
		}
	}
}
