package main

import (
	"testing"

	"gotest.tools/v3/assert"

	"example.com/grpc-edge/cmd/delivery/environment"
)

// TestReviewConfig checks that a review stack takes nothing from the stack whose config it has.
func TestReviewConfig(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		config map[string]any
		want   []string
	}{
		"nothing to take": {map[string]any{"grpc-edge:dnsZone": "", "grpc-edge:rest": true}, []string{"--config", "grpc-edge:deletionProtection=false"}},
		"what a project or a zone has once": {
			map[string]any{
				"grpc-edge:dnsZone": "example-com", "grpc-edge:binaryAuthorization": true, "grpc-edge:signingKey": "projects/p/…/1",
				"grpc-edge:alertEmails": []any{"ops@example.com"}, "grpc-edge:githubRepository": "acme/edge",
			},
			[]string{
				"--config", "grpc-edge:alertEmails=[]", "--config", "grpc-edge:binaryAuthorization=false", "--config", "grpc-edge:deletionProtection=false",
				"--config", "grpc-edge:dnsZone=", "--config", "grpc-edge:githubRepository=", "--config", "grpc-edge:signingKey=",
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			j := &job{env: environment.Environment{Config: test.config}}
			assert.DeepEqual(t, j.reviewConfig(), test.want)
		})
	}
}
