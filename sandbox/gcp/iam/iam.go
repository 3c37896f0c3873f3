// Package iam emulates IAM: accounts, roles, members of policies with their conditions, and the
// identities of other systems. It decides for all APIs what a caller may do.
package iam

import "example.com/grpc-edge/sandbox/gcp"

// The kinds of object that the API has.
const (
	KindServiceAccount   gcp.Kind = "iam.googleapis.com/ServiceAccount"
	KindCustomRole       gcp.Kind = "iam.googleapis.com/Role"
	KindProjectMember    gcp.Kind = "cloudresourcemanager.googleapis.com/IamMember"
	KindAccountMember    gcp.Kind = "iam.googleapis.com/IamMember"
	KindBucketMember     gcp.Kind = "storage.googleapis.com/IamMember"
	KindIdentityPool     gcp.Kind = "iam.googleapis.com/WorkloadIdentityPool"
	KindIdentityProvider gcp.Kind = "iam.googleapis.com/WorkloadIdentityPoolProvider"
)

// API returns the description of the API for the emulated cloud.
func API() gcp.API {
	return gcp.API{
		Titles:  map[string]string{"iam.googleapis.com": "Identity and Access Management (IAM) API", "cloudresourcemanager.googleapis.com": "Cloud Resource Manager API"},
		Kinds:   []*gcp.Resource{accountResource, customRoleResource, projectMemberResource, accountMemberResource, bucketMemberResource, identityPoolResource, identityProviderResource},
		Granted: granted,
	}
}
