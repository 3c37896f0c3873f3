package gcp

import "testing"

func TestRefused_cloudbuild(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), newFakeRuntime())
	build(t, c)
	refuse := refuser(t, c)
	refuse("trigger elsewhere", KindTrigger, with(triggerConfig, Properties{"location": "us-east1"}), 400, "not in the location of the trigger, us-east1")
	refuse("global trigger", KindTrigger, with(triggerConfig, Properties{"location": nil}), 400, "\"global\" does not exist")
	refuse("trigger of both", KindTrigger, with(triggerConfig, Properties{"repositoryEventConfig": Properties{
		"repository": connected, "push": Properties{"branch": "x"}, "pullRequest": Properties{"branch": "x"}}}), 400, "either pullRequest or push")
	refuse("trigger's branch", KindTrigger, with(triggerConfig, Properties{"repositoryEventConfig": Properties{"repository": connected, "push": Properties{"branch": "("}}}), 400, "is no regular expression")
	refuse("trigger's account", KindTrigger, with(triggerConfig, Properties{"serviceAccount": "projects/test-project/serviceAccounts/no@test-project.iam.gserviceaccount.com"}), 400, "does not exist")
	refuse("trigger's variable", KindTrigger, with(triggerConfig, Properties{"substitutions": Properties{"STACK": "dev"}}), 400, "must begin with _")
	refuse("trigger by hand without a file", KindTrigger, with(triggerConfig, Properties{"repositoryEventConfig": nil, "sourceToBuild": Properties{"repository": connected, "ref": "refs/heads/main"}}), 400, "gitFileSource")
	refuse("trigger by hand of a branch", KindTrigger, with(triggerConfig, Properties{"repositoryEventConfig": nil, "filename": nil, "gitFileSource": Properties{"path": "cloudbuild.yaml"},
		"sourceToBuild": Properties{"repository": connected, "ref": "main"}}), 400, "must begin with refs/")
	refuse("trigger by hand elsewhere", KindTrigger, with(triggerConfig, Properties{"location": "us-east1", "repositoryEventConfig": nil, "filename": nil, "gitFileSource": Properties{"path": "cloudbuild.yaml"},
		"sourceToBuild": Properties{"repository": connected, "ref": "refs/heads/main"}}), 400, "not in the location of the trigger, us-east1")
	refuse("trigger by hand and by a push", KindTrigger, with(triggerConfig, Properties{"gitFileSource": Properties{"path": "cloudbuild.yaml"},
		"sourceToBuild": Properties{"repository": connected, "ref": "refs/heads/main"}}), 400, "either repositoryEventConfig")
	refuse("trigger of another kind", KindTrigger, with(triggerConfig, Properties{"github": Properties{"owner": "o"}}), 400, "is not emulated")
}
