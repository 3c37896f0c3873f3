// Package artifactregistry emulates Artifact Registry: repositories, and their Docker endpoint.
package artifactregistry

import "example.com/grpc-edge/sandbox/gcp"

// The kinds of object that the API has.
const (
	KindRepository       gcp.Kind = "artifactregistry.googleapis.com/Repository"
	KindRepositoryMember gcp.Kind = "artifactregistry.googleapis.com/IamMember"
)

// API returns the description of the API for the emulated cloud.
func API() gcp.API {
	return gcp.API{
		Titles: map[string]string{"artifactregistry.googleapis.com": "Artifact Registry API"},
		Kinds:  []*gcp.Resource{repositoryResource, repositoryMemberResource},
	}
}
