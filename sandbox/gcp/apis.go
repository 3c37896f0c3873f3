// Package apis lists the APIs of the emulated Google Cloud.
package gcp

// All returns the APIs. The runtime makes clusters real; it may be nil for a cloud that creates none.
func All(rt Runtime) []API {
	return []API{
		API_serviceusage(),
		API_compute(),
		API_container(rt),
		API_iam(),
		API_artifactregistry(),
		API_monitoring(),
		API_kms(),
		API_secretmanager(),
		API_dns(),
		API_binaryauthorization(),
		API_privateca(),
		API_cloudbuild(),
	}
}
