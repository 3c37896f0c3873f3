package main

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"strings"
	"time"
)

// errCertificate ends the container, and Kubernetes restarts it. Envoy loads a repaired
// Secret by itself.
var errCertificate = errors.New("no certificate: Envoy accepted none, so no client could connect; its own log says why; " +
	"fix the Secret of this pod, which grpc-edge:certificate fills")

// await returns when Envoy can serve TLS and has found all pods of each backend healthy.
// After half of the budget one healthy pod of each is enough, and at the end of the budget
// none: a pod or backend that is down must not block the others. An error means that there
// is no certificate.
//
// Envoy is live after one round of health checks, whatever their result. A pod that
// failed its first check must pass two more. That is common while the network policies of
// the pods do not know the address of a new Envoy yet; they may learn it some seconds
// after its start (Kubernetes, "Network Policies", pod lifecycle).
func await(ctx context.Context, envoy *admin, budget time.Duration, log *slog.Logger) error {
	log.Info("waiting for the certificate and for healthy pods of each backend", "at_most", budget.String())
	waiting, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	begun := time.Now()
	if !awaitTLS(waiting, envoy, log) && ctx.Err() == nil {
		return errCertificate
	}
	sick := []string{"unknown"}
	for waiting.Err() == nil {
		insist(waiting, log, func() error {
			pods, err := envoy.pods(waiting)
			if err == nil {
				sick = notReady(pods, time.Since(begun) >= budget/2)
			}
			return err
		})
		if len(sick) == 0 {
			log.Info("each backend has healthy pods", "after", time.Since(begun).String())
			return nil
		}
		sleep(waiting, pollInterval)
	}
	if ctx.Err() == nil { // else the pod is to end
		log.Warn("serving without a healthy pod of some backends: calls to them are answered UNAVAILABLE", "backends", strings.Join(sick, " "))
	}
	return nil
}

// awaitTLS reports whether Envoy has accepted a certificate before ctx ends.
func awaitTLS(ctx context.Context, envoy *admin, log *slog.Logger) bool {
	for ctx.Err() == nil {
		accepted := false
		insist(ctx, log, func() (err error) {
			accepted, err = envoy.servesTLS(ctx)
			return err
		})
		if accepted {
			return true
		}
		sleep(ctx, pollInterval)
	}
	return false
}

// notReady lists the backends to wait for, sorted.
func notReady(backends map[string]pods, oneIsEnough bool) []string {
	var list []string
	for name, p := range backends {
		if p.healthy == 0 || p.healthy < p.found && !oneIsEnough {
			list = append(list, name)
		}
	}
	slices.Sort(list)
	return list
}
