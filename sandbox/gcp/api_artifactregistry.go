// Package artifactregistry emulates Artifact Registry: repositories, and their Docker endpoint.
package gcp

// The kinds of object.
const (
	KindRepository       Kind = "artifactregistry.googleapis.com/Repository"
	KindRepositoryMember Kind = "artifactregistry.googleapis.com/IamMember"
)

// API returns the API.
func API_artifactregistry() API {
	return API{
		Titles: map[string]string{"artifactregistry.googleapis.com": "Artifact Registry API"},
		Kinds:  []*rule{repositoryRule, repositoryMemberRule},
	}
}
