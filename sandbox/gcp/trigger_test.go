package gcp

import (
	"context"
	"testing"
)

const connected = "projects/test-project/locations/us-central1/connections/github/repositories/r"

var triggerConfig = Properties{
	"name": "deploy", "location": "us-central1", "filename": "cloudbuild.yaml",
	"repositoryEventConfig": Properties{"repository": connected, "push": Properties{"branch": "^main$"}},
}

func TestTriggersHaveOneName(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), newFakeRuntime())
	enable(t, c)
	create(t, c, KindTrigger, triggerConfig)
	if _, err := c.Create(context.Background(), KindTrigger, here, triggerConfig); code(err) != 409 {
		t.Errorf("a second trigger of the name: %v, want 409", err)
	}
}
