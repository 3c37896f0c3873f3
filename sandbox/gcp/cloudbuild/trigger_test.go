package cloudbuild_test

import (
	"context"
	"testing"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/cloudbuild"
	"example.com/grpc-edge/sandbox/gcp/gcptest"
)

const connected = "projects/test-project/locations/us-central1/connections/github/repositories/r"

var triggerConfig = gcp.Properties{
	"name": "deploy", "location": "us-central1", "filename": "cloudbuild.yaml",
	"repositoryEventConfig": gcp.Properties{"repository": connected, "push": gcp.Properties{"branch": "^main$"}},
}

func TestTriggersHaveOneName(t *testing.T) {
	t.Parallel()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Enable(t, c)
	gcptest.Create(t, c, cloudbuild.KindTrigger, triggerConfig)
	if _, err := c.Create(context.Background(), cloudbuild.KindTrigger, gcptest.Here, triggerConfig); gcptest.Code(err) != 409 {
		t.Errorf("a second trigger of the name: %v, want 409", err)
	}
}
