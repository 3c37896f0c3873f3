package gcp

import "testing"

func TestRefused_artifactregistry(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), newFakeRuntime())
	build(t, c)
	refuse := refuser(t, c)
	refuse("repository with a key that may not be used", KindRepository, Properties{"repositoryId": "r", "format": "DOCKER", "location": "us-central1", "kmsKeyName": testKey}, 403,
		"grant roles/cloudkms.cryptoKeyEncrypterDecrypter on it to service-"+ProjectNumber("test-project")+"@gcp-sa-artifactregistry.iam.gserviceaccount.com")
	refuse("key elsewhere", KindRepository, Properties{"repositoryId": "r", "format": "DOCKER", "location": "us-east1", "kmsKeyName": testKey}, 400, "must be in the same location as the resource, us-east1")
	refuse("member of missing repository", KindRepositoryMember, Properties{"repository": "nope", "location": "us-central1", "role": "roles/artifactregistry.reader", "member": "allUsers"}, 404, "was not found")
	refuse("repository ID", KindRepository, Properties{"repositoryId": "A", "format": "DOCKER"}, 400, "1-63 characters")
	refuse("repository format", KindRepository, Properties{"repositoryId": "a", "format": "NPM"}, 400, "only DOCKER")
	refuse("remote without upstream", KindRepository, Properties{"repositoryId": "a", "format": "DOCKER", "mode": "REMOTE_REPOSITORY"}, 400, "if and only if")
	refuse("cleanup policy", KindRepository, Properties{"repositoryId": "a", "format": "DOCKER", "cleanupPolicies": []any{
		Properties{"id": "x", "action": "DELETE", "mostRecentVersions": Properties{"keepCount": 3.0}}}}, 400, "goes with action KEEP")
}
