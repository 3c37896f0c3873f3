// Package deliverynames names what `make bootstrap` creates, the stack grants and CI jobs use. A job could
// not log in, or not read the state, if one of them used another name.
package deliverynames

import (
	"fmt"

	"example.com/grpc-edge/internal/stackfile"
)

// KeyRing is the name of the Cloud KMS key ring, in each region, with the keys of the stacks.
const KeyRing = "pulumi"

// Bucket returns the name of the bucket with the state of all stacks of a project. The ID
// of a project is globally unique, as the name of a bucket must be.
func Bucket(project string) string { return project + "-pulumi-state" }

// Key returns the resource name of the Cloud KMS key for the secrets of a stack.
func Key(project, region, stack string) string {
	return fmt.Sprintf("projects/%s/locations/%s/keyRings/%s/cryptoKeys/%s", project, region, KeyRing, stack)
}

// Account returns the ID of the service account of a job, such as deployer-dev.
func Account(role, stack string) string { return role + "-" + stack }

// Pool returns the ID of the workload identity pool by which jobs on GitHub log in: 4 to 32 characters, unique in
// the project ("Manage workload identity pools and providers").
func Pool(stack string) string { return stackfile.Program + "-" + stack }
