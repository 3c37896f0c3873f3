package binaryauthorization_test

import (
	"testing"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/binaryauthorization"
	"example.com/grpc-edge/sandbox/gcp/gcptest"
)

func TestCreateIsRefused(t *testing.T) {
	t.Parallel()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Build(t, c)
	refuse := gcptest.Refuser(t, c)
	refuse("policy's mode", binaryauthorization.KindAdmissionPolicy, gcp.Properties{"defaultAdmissionRule": gcp.Properties{"evaluationMode": "DENY"}}, 400, `"DENY" is not one of ALWAYS_ALLOW`)
	refuse("policy of one cluster", binaryauthorization.KindAdmissionPolicy, gcp.Properties{"clusterAdmissionRules": []any{gcp.Properties{"cluster": "us-central1.gke"}}}, 400, "are not emulated: give defaultAdmissionRule")
	refuse("policy without attestors", binaryauthorization.KindAdmissionPolicy, gcp.Properties{"defaultAdmissionRule": gcp.Properties{"evaluationMode": "REQUIRE_ATTESTATION"}}, 400, "attestors are given if and only if")
	refuse("policy's attestor", binaryauthorization.KindAdmissionPolicy, gcp.Properties{"defaultAdmissionRule": gcp.Properties{"evaluationMode": "REQUIRE_ATTESTATION",
		"requireAttestationsBies": []any{"projects/test-project/attestors/nobody"}}}, 400, "it must, before a policy can require its attestations")
	refuse("attestor's note", binaryauthorization.KindAttestor, gcp.Properties{"name": "a", "attestationAuthorityNote": gcp.Properties{"noteReference": testNote}}, 404, "'"+testNote+"' was not found")
	refuse("attestor's key", binaryauthorization.KindAttestor, attestorWith("PEM"), 400, "is not a PEM block of type PUBLIC KEY")
	refuse("attestor's key by a password", binaryauthorization.KindAttestor, gcp.Properties{"name": "a", "attestationAuthorityNote": gcp.Properties{"noteReference": testNote,
		"publicKeys": []any{gcp.Properties{"asciiArmoredPgpPublicKey": "x"}}}}, 400, "only keys with pkixPublicKey are emulated")
	refuse("attestor's key's ID", binaryauthorization.KindAttestor, gcp.Properties{"name": "a", "attestationAuthorityNote": gcp.Properties{"noteReference": testNote,
		"publicKeys": []any{gcp.Properties{"id": "key 1", "pkixPublicKey": gcp.Properties{}}}}}, 400, `"key 1" is not a URI`)
	refuse("attestor's algorithm", binaryauthorization.KindAttestor, gcp.Properties{"name": "a", "attestationAuthorityNote": gcp.Properties{"noteReference": testNote,
		"publicKeys": []any{gcp.Properties{"pkixPublicKey": gcp.Properties{"signatureAlgorithm": "RSA_PSS_2048_SHA256"}}}}}, 400, "does not match the key")
	refuse("note without a hint", binaryauthorization.KindNote, gcp.Properties{"name": "n", "attestationAuthority": gcp.Properties{"hint": gcp.Properties{"humanReadableName": ""}}}, 400, "it is required")
	refuse("note's name", binaryauthorization.KindNote, gcp.Properties{"name": "a/b"}, 400, "must be letters, digits")
	refuse("occurrence's note", binaryauthorization.KindOccurrence, gcp.Properties{"noteName": testNote}, 404, "'"+testNote+"' was not found")
	refuse("occurrence's note by its ID", binaryauthorization.KindOccurrence, gcp.Properties{"noteName": "edge"}, 400, "must be projects/<project>/notes/<note>")
	refuse("occurrence's payload", binaryauthorization.KindOccurrence, gcp.Properties{"attestation": gcp.Properties{"serializedPayload": "{}"}}, 400, "it is not Base64")
	refuse("occurrence unsigned", binaryauthorization.KindOccurrence, gcp.Properties{"attestation": gcp.Properties{"signatures": []any{}}}, 400, "one signature or more")
	refuse("occurrence's signer", binaryauthorization.KindOccurrence, gcp.Properties{"attestation": gcp.Properties{"signatures": []any{gcp.Properties{"publicKeyId": "key 1"}}}}, 400, "is not a URI")
	refuse("policy's pattern", binaryauthorization.KindAdmissionPolicy, gcp.Properties{"admissionWhitelistPatterns": []any{gcp.Properties{"namePattern": "**/image"}}}, 400, "must be an image's name")
}
