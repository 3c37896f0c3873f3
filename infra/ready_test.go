package main

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

const apiType = "gcp:projects/service:Service"

// withEverything returns the keys that create one resource of every kind.
func withEverything(t *testing.T) map[string]string {
	t.Helper()
	changes := everything(t)
	for _, variant := range []map[string]string{withDelivery, withPool, withZone} {
		maps.Copy(changes, variant)
	}
	delete(changes, "grpc-edge:certificatePem")
	delete(changes, "grpc-edge:certificateKeyPem")
	changes["grpc-edge:alertEmails"] = `["edge@example.com"]`
	return changes
}

// TestEverythingWaitsForTheAPIs checks that everything in the cloud depends on every API, by its
// parent, its provider or its dependencies, and so waits until all are usable. Without keys of
// Cloud KMS, fewer resources depend on others that wait already.
func TestEverythingWaitsForTheAPIs(t *testing.T) {
	changes := withEverything(t)
	kinds := checkWaits(t, mustRun(t, "sandbox", false, changes))
	if len(kinds) < 40 {
		t.Errorf("%d kinds of resource are in this stack, want every kind", len(kinds))
	}
	delete(changes, "grpc-edge:kmsKey")
	delete(changes, "grpc-edge:signingKey")
	checkWaits(t, mustRun(t, "sandbox", false, changes))
}

// checkWaits checks every resource in the cloud, and returns their kinds.
func checkWaits(t *testing.T, result stackRun) map[string]bool {
	t.Helper()
	before := map[string][]string{}
	for _, r := range result.resources {
		before[r.Type+" "+r.Name] = append(slices.Clone(r.DependsOn), r.Parent, r.Provider)
	}
	kinds := map[string]bool{}
	for _, r := range result.resources {
		if r.component || r.Type == apiType || strings.HasPrefix(r.Type, "tls:") {
			continue
		}
		kinds[r.Type] = true
		seen := map[string]bool{}
		follow(before, r.Type+" "+r.Name, seen)
		for _, api := range result.ofType(t, apiType) {
			if !seen[api.Type+" "+api.Name] {
				t.Errorf("%s %s does not wait for %s", r.Type, r.Name, api.Name)
			}
		}
	}
	return kinds
}

// follow adds a resource and all that are there before it.
func follow(before map[string][]string, name string, seen map[string]bool) {
	if seen[name] {
		return
	}
	seen[name] = true
	for _, other := range before[name] {
		follow(before, other, seen)
	}
}

// TestFunctionsWaitForTheAPIs checks that functions depend on every API, too: the preview of a new
// project, whose APIs are not enabled, calls none.
func TestFunctionsWaitForTheAPIs(t *testing.T) {
	changes := withEverything(t)
	if called := mustRun(t, "sandbox", false, changes).functions; len(called) < 5 {
		t.Errorf("an update calls %v, want every function of the program", called)
	}
	if called := mustRun(t, "sandbox", true, changes).functions; len(called) > 0 {
		t.Errorf("the preview of a new project calls %v", called)
	}
}
