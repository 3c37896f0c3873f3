package artifactregistry_test

import (
	"testing"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/artifactregistry"
	"example.com/grpc-edge/sandbox/gcp/gcptest"
)

func TestCreateIsRefused(t *testing.T) {
	t.Parallel()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Build(t, c)
	refuse := gcptest.Refuser(t, c)
	refuse("repository with a key that may not be used", artifactregistry.KindRepository, gcp.Properties{"repositoryId": "r", "format": "DOCKER", "location": "us-central1", "kmsKeyName": gcptest.KeyName}, 403,
		"grant roles/cloudkms.cryptoKeyEncrypterDecrypter on it to service-"+gcp.ProjectNumber("test-project")+"@gcp-sa-artifactregistry.iam.gserviceaccount.com")
	refuse("key elsewhere", artifactregistry.KindRepository, gcp.Properties{"repositoryId": "r", "format": "DOCKER", "location": "us-east1", "kmsKeyName": gcptest.KeyName}, 400, "must be in the same location as the resource, us-east1")
	refuse("member of missing repository", artifactregistry.KindRepositoryMember, gcp.Properties{"repository": "nope", "location": "us-central1", "role": "roles/artifactregistry.reader", "member": gcptest.Member}, 404, "was not found")
	refuse("repository ID", artifactregistry.KindRepository, gcp.Properties{"repositoryId": "A", "format": "DOCKER"}, 400, "1-63 characters")
	refuse("repository format", artifactregistry.KindRepository, gcp.Properties{"repositoryId": "a", "format": "NPM"}, 400, "only DOCKER")
	refuse("remote without upstream", artifactregistry.KindRepository, gcp.Properties{"repositoryId": "a", "format": "DOCKER", "mode": "REMOTE_REPOSITORY"}, 400, "if and only if")
	refuse("cleanup policy", artifactregistry.KindRepository, gcp.Properties{"repositoryId": "a", "format": "DOCKER", "cleanupPolicies": []any{
		gcp.Properties{"id": "x", "action": "DELETE", "mostRecentVersions": gcp.Properties{"keepCount": 3.0}}}}, 400, "goes with action KEEP")
}
