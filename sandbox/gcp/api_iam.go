// Package iam emulates IAM: accounts, roles, members of policies with their conditions, and the
// identities of other systems. It decides for all APIs what a caller may do.
package gcp

// The kinds of object.
const (
	KindServiceAccount   Kind = "iam.googleapis.com/ServiceAccount"
	KindCustomRole       Kind = "iam.googleapis.com/Role"
	KindProjectMember    Kind = "cloudresourcemanager.googleapis.com/IamMember"
	KindAccountMember    Kind = "iam.googleapis.com/IamMember"
	KindBucketMember     Kind = "storage.googleapis.com/IamMember"
	KindIdentityPool     Kind = "iam.googleapis.com/WorkloadIdentityPool"
	KindIdentityProvider Kind = "iam.googleapis.com/WorkloadIdentityPoolProvider"
)

// API returns the API.
func API_iam() API {
	return API{
		Titles:  map[string]string{"iam.googleapis.com": "Identity and Access Management (IAM) API", "cloudresourcemanager.googleapis.com": "Cloud Resource Manager API"},
		Kinds:   []*rule{accountRule, customRoleRule, projectMemberRule, accountMemberRule, bucketMemberRule, identityPoolRule, identityProviderRule},
		Granted: granted,
	}
}
