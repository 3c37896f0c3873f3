package main

import "testing"

// TestGrantsOnTheKeyStay checks that a stack's teardown takes the key from no other stack: Google's
// agents, and so the grants, are the same for all stacks of a project.
func TestGrantsOnTheKeyStay(t *testing.T) {
	result := mustRun(t, "sandbox", false, map[string]string{"grpc-edge:kmsKey": "projects/sandbox-project/locations/us-central1/keyRings/r/cryptoKeys/k"})
	for _, grant := range result.ofType(t, "gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember") {
		if !grant.Retained {
			t.Errorf("%s goes with the stack", grant.Name)
		}
	}
}
