// Package apis lists the APIs of the emulated Google Cloud.
package apis

import (
	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/artifactregistry"
	"example.com/grpc-edge/sandbox/gcp/binaryauthorization"
	"example.com/grpc-edge/sandbox/gcp/cloudbuild"
	"example.com/grpc-edge/sandbox/gcp/compute"
	"example.com/grpc-edge/sandbox/gcp/container"
	"example.com/grpc-edge/sandbox/gcp/dns"
	"example.com/grpc-edge/sandbox/gcp/iam"
	"example.com/grpc-edge/sandbox/gcp/kms"
	"example.com/grpc-edge/sandbox/gcp/monitoring"
	"example.com/grpc-edge/sandbox/gcp/privateca"
	"example.com/grpc-edge/sandbox/gcp/secretmanager"
	"example.com/grpc-edge/sandbox/gcp/serviceusage"
)

// All returns the APIs. The runtime makes clusters real; it may be nil for a cloud that creates none.
func All(rt container.Runtime) []gcp.API {
	return []gcp.API{
		serviceusage.API(),
		compute.API(),
		container.API(rt),
		iam.API(),
		artifactregistry.API(),
		monitoring.API(),
		kms.API(),
		secretmanager.API(),
		dns.API(),
		binaryauthorization.API(),
		privateca.API(),
		cloudbuild.API(),
	}
}
