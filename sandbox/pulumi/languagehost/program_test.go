package languagehost

import (
	"context"
	"errors"
	"testing"
)

// A build that began early serves one Run. The next one builds again.
func TestEarlyBuild(t *testing.T) {
	t.Parallel()
	var e early
	broken := errors.New("main.go:4:2: undefined: undeclared")
	builds, finish := make(chan struct{}, 2), make(chan struct{})
	for range 2 {
		e.begin("target", func() error { builds <- struct{}{}; <-finish; return broken })
	}
	close(finish)
	if begun, err := e.result(t.Context(), "target"); !begun || !errors.Is(err, broken) {
		t.Errorf("result() = %v, %v, want the error of the build", begun, err)
	}
	if begun, err := e.result(t.Context(), "target"); begun || err != nil {
		t.Errorf("result() = %v, %v, want no build: its result is taken", begun, err)
	}
	if e.wait(); len(builds) != 1 {
		t.Errorf("it was built %d times, want once", len(builds))
	}

	e.begin("target", func() error { return broken })
	e.wait()
	e.begin("target", func() error { return nil })
	if begun, err := e.result(t.Context(), "target"); !begun || err != nil {
		t.Errorf("result() = %v, %v, want that of the second build: nobody took the first", begun, err)
	}

	release := make(chan struct{})
	e.begin("slow", func() error { <-release; return nil })
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if begun, err := e.result(ctx, "slow"); !begun || err == nil {
		t.Errorf("result() = %v, %v, want an error: the engine waits no longer", begun, err)
	}
	close(release)
	e.wait()
}
