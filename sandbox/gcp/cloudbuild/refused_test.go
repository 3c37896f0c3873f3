package cloudbuild_test

import (
	"testing"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/cloudbuild"
	"example.com/grpc-edge/sandbox/gcp/gcptest"
)

func TestCreateIsRefused(t *testing.T) {
	t.Parallel()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Build(t, c)
	refuse := gcptest.Refuser(t, c)
	refuse("trigger elsewhere", cloudbuild.KindTrigger, gcptest.With(triggerConfig, gcp.Properties{"location": "us-east1"}), 400, "not in the location of the trigger, us-east1")
	refuse("global trigger", cloudbuild.KindTrigger, gcptest.With(triggerConfig, gcp.Properties{"location": nil}), 400, "\"global\" does not exist")
	refuse("trigger of both", cloudbuild.KindTrigger, gcptest.With(triggerConfig, gcp.Properties{"repositoryEventConfig": gcp.Properties{
		"repository": connected, "push": gcp.Properties{"branch": "x"}, "pullRequest": gcp.Properties{"branch": "x"}}}), 400, "either pullRequest or push")
	refuse("trigger's branch", cloudbuild.KindTrigger, gcptest.With(triggerConfig, gcp.Properties{"repositoryEventConfig": gcp.Properties{"repository": connected, "push": gcp.Properties{"branch": "("}}}), 400, "is not a regular expression")
	refuse("trigger's account", cloudbuild.KindTrigger, gcptest.With(triggerConfig, gcp.Properties{"serviceAccount": "projects/test-project/serviceAccounts/no@test-project.iam.gserviceaccount.com"}), 400, "does not exist")
	refuse("trigger's variable", cloudbuild.KindTrigger, gcptest.With(triggerConfig, gcp.Properties{"substitutions": gcp.Properties{"STACK": "dev"}}), 400, "must begin with _")
	refuse("trigger by hand without a file", cloudbuild.KindTrigger, gcptest.With(triggerConfig, gcp.Properties{"repositoryEventConfig": nil, "sourceToBuild": gcp.Properties{"repository": connected, "ref": "refs/heads/main"}}), 400, "gitFileSource")
	refuse("trigger by hand of a branch", cloudbuild.KindTrigger, gcptest.With(triggerConfig, gcp.Properties{"repositoryEventConfig": nil, "filename": nil, "gitFileSource": gcp.Properties{"path": "cloudbuild.yaml"},
		"sourceToBuild": gcp.Properties{"repository": connected, "ref": "main"}}), 400, "must begin with refs/")
	refuse("trigger by hand elsewhere", cloudbuild.KindTrigger, gcptest.With(triggerConfig, gcp.Properties{"location": "us-east1", "repositoryEventConfig": nil, "filename": nil, "gitFileSource": gcp.Properties{"path": "cloudbuild.yaml"},
		"sourceToBuild": gcp.Properties{"repository": connected, "ref": "refs/heads/main"}}), 400, "not in the location of the trigger, us-east1")
	refuse("trigger by hand and by a push", cloudbuild.KindTrigger, gcptest.With(triggerConfig, gcp.Properties{"gitFileSource": gcp.Properties{"path": "cloudbuild.yaml"},
		"sourceToBuild": gcp.Properties{"repository": connected, "ref": "refs/heads/main"}}), 400, "either repositoryEventConfig")
	refuse("trigger of another kind", cloudbuild.KindTrigger, gcptest.With(triggerConfig, gcp.Properties{"github": gcp.Properties{"owner": "o"}}), 400, "is not emulated")
}
