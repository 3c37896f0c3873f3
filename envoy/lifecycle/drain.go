package main

import (
	"context"
	"log/slog"
	"time"
)

// phases holds the maximum duration of each phase of draining.
type phases struct {
	// notice is for the load balancer, in full. POST /healthcheck/fail: readiness
	// fails while clients are still taken, so that it sends new ones elsewhere.
	notice time.Duration
	// finish is for clients, at most. POST /drain_listeners?graceful&skip_exit: Envoy
	// tells them to leave (GOAWAY), a growing share of them over its --drain-time-s, and
	// calls under way finish. Those that make no calls are told by idleClients. It ends as
	// soon as no client is connected, or none has called for a while. If Envoy does not answer
	// it lasts in full, since clients may still be served.
	finish time.Duration
}

// mostNotice is longer than the load balancer needs to notice: its health checks find that a node
// has no ready pod in 6 s (ingress-gce, pkg/l4/healthchecks). When GKE drains a node, the load
// balancer forgets it at once and drops its connections after 30 s (pkg/l4/backends), so that
// clients have to be told well before.
const mostNotice = 10 * time.Second

// splitBudget leaves a tenth of the budget for Envoy to stop.
func splitBudget(budget time.Duration) phases {
	notice := min(budget*4/10, mostNotice)
	return phases{notice: notice, finish: budget*9/10 - notice}
}

const (
	// pollInterval is the time between two requests to the admin interface.
	pollInterval = 100 * time.Millisecond
	// quiet is the time without calls after which nobody counts as a client. Those that were idle
	// have been told to leave by then, and their connections closed.
	quiet = 8 * time.Second
)

// drain takes Envoy out of service. It returns when nobody needs Envoy any more,
// or the time is over.
func drain(envoy *admin, idle idleClients, p phases, log *slog.Logger) {
	notice, cancel := context.WithTimeout(context.Background(), p.notice)
	defer cancel()
	log.Info("draining: readiness fails, clients are still taken", "wait", p.notice.String())
	insist(notice, log, func() error { return envoy.post(notice, "/healthcheck/fail") })
	<-notice.Done()

	finish, cancel := context.WithTimeout(context.Background(), p.finish)
	defer cancel()
	log.Info("draining: telling clients to go, finishing calls under way", "at_most", p.finish.String())
	insist(finish, log, func() error { return envoy.post(finish, "/drain_listeners?graceful&skip_exit") })
	if err := idle.leave(); err != nil {
		log.Error("telling idle clients to go", "error", err.Error())
	}
	if left := waitUntilQuiet(finish, envoy, log); left != "" {
		log.Warn("drained while clients still call: calls that are not done are cut", "left", left)
		return
	}
	log.Info("drained")
}

// insist retries until there is no error or ctx ends. It logs an error once.
func insist(ctx context.Context, log *slog.Logger, ask func() error) {
	last := ""
	for ctx.Err() == nil {
		err := ask()
		if err == nil {
			return
		}
		if ctx.Err() == nil && err.Error() != last {
			last = err.Error()
			log.Error("asking Envoy", "error", last)
		}
		sleep(ctx, pollInterval)
	}
}

// waitUntilQuiet returns "" when clients are gone or have been quiet, or what was
// left when ctx ended.
func waitUntilQuiet(ctx context.Context, envoy *admin, log *slog.Logger) (left string) {
	left = "unknown"
	since := time.Now() // the clients are quiet
	var before traffic
	for ctx.Err() == nil {
		var now traffic
		insist(ctx, log, func() (err error) {
			now, err = envoy.traffic(ctx)
			return err
		})
		if ctx.Err() != nil {
			return left
		}
		left = now.String()
		switch {
		case now.connections == 0:
			return ""
		case now.active > 0 || now.calls != before.calls:
			since = time.Now()
		case time.Since(since) >= quiet:
			return ""
		}
		before = now
		sleep(ctx, pollInterval)
	}
	return left
}

func sleep(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
