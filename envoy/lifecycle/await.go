package main

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"
)

// await returns when Envoy has found a healthy pod of each backend, or after the
// budget: a backend that is down is not to keep the others from being served.
//
// Envoy is live after one round of health checks, whatever came of them, and a pod
// that failed its first one has two more to pass. That is the rule where the network
// policies of the pods do not know the address of a new Envoy yet, which they may come
// to know some seconds after it has started (Kubernetes, "Network Policies", pod
// lifecycle).
func await(ctx context.Context, envoy *admin, budget time.Duration, log *slog.Logger) {
	ctx, cancel := context.WithTimeout(ctx, budget)
	defer cancel()
	begun := time.Now()
	sick := []string{"unknown"}
	for ctx.Err() == nil {
		insist(ctx, log, func() error {
			pods, err := envoy.healthyPods(ctx)
			if err == nil {
				maps.DeleteFunc(pods, func(_ string, healthy int64) bool { return healthy > 0 })
				sick = slices.Sorted(maps.Keys(pods))
			}
			return err
		})
		if len(sick) == 0 {
			log.Info("each backend has a healthy pod", "after", time.Since(begun).String())
			return
		}
		sleep(ctx, pollInterval)
	}
	log.Warn("serving without a healthy pod of some backends: calls to them are answered UNAVAILABLE", "backends", strings.Join(sick, " "))
}
