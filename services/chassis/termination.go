package chassis

import (
	"log/slog"
	"time"
)

// termination holds the duration of each phase of stopping.
type termination struct {
	wait  time.Duration // NOT_SERVING, and still serving
	drain time.Duration // GracefulStop, at most
	flush time.Duration // export of the last telemetry, at most
}

// splitBudget divides the time for stopping among its phases, as in the package
// comment.
func splitBudget(budget time.Duration) termination {
	wait, flush := budget*4/10, budget/10
	return termination{wait: wait, drain: budget - wait - flush, flush: flush}
}

// stop takes the server out of service and stops it, within t.wait + t.drain.
// Closing at once would fail the calls that load balancers send until they
// notice.
func (s *server) stop(t termination, log *slog.Logger) {
	log.Info("stopping: health is NOT_SERVING, still taking calls", "wait", t.wait.String())
	s.health.Shutdown()
	time.Sleep(t.wait)

	log.Info("stopping: finishing calls under way", "at_most", t.drain.String())
	drained := make(chan struct{})
	go func() {
		s.grpc.GracefulStop()
		close(drained)
	}()
	s.endWatches()
	select {
	case <-drained:
		log.Info("stopped")
	case <-time.After(t.drain):
		// Not waited for: Stop returns only after the handlers, and one that
		// ignores its context may never return.
		go s.grpc.Stop()
		log.Warn("stopped with calls cut: they were not done in time", "after", t.drain.String())
	}
}
