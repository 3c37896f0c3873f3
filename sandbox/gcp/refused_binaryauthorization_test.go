package gcp

import "testing"

func TestRefused_binaryauthorization(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), newFakeRuntime())
	build(t, c)
	refuse := refuser(t, c)
	refuse("policy's mode", KindAdmissionPolicy, Properties{"defaultAdmissionRule": Properties{"evaluationMode": "DENY"}}, 400, `"DENY" is not one of ALWAYS_ALLOW`)
	refuse("policy without attestors", KindAdmissionPolicy, Properties{"defaultAdmissionRule": Properties{"evaluationMode": "REQUIRE_ATTESTATION"}}, 400, "attestors are given if and only if")
	refuse("policy's attestor", KindAdmissionPolicy, Properties{"defaultAdmissionRule": Properties{"evaluationMode": "REQUIRE_ATTESTATION",
		"requireAttestationsBies": []any{"projects/test-project/attestors/nobody"}}}, 400, "it must, before a policy can require its attestations")
	refuse("attestor's note", KindAttestor, Properties{"name": "a", "attestationAuthorityNote": Properties{"noteReference": testNote}}, 404, "'"+testNote+"' was not found")
	refuse("attestor's key", KindAttestor, attestorWith("PEM"), 400, "is not a PEM block of type PUBLIC KEY")
	refuse("attestor's key by a password", KindAttestor, Properties{"name": "a", "attestationAuthorityNote": Properties{"noteReference": testNote,
		"publicKeys": []any{Properties{"asciiArmoredPgpPublicKey": "x"}}}}, 400, "only keys with pkixPublicKey are emulated")
	refuse("attestor's key's ID", KindAttestor, Properties{"name": "a", "attestationAuthorityNote": Properties{"noteReference": testNote,
		"publicKeys": []any{Properties{"id": "key 1", "pkixPublicKey": Properties{}}}}}, 400, `"key 1" is not a URI`)
	refuse("attestor's algorithm", KindAttestor, Properties{"name": "a", "attestationAuthorityNote": Properties{"noteReference": testNote,
		"publicKeys": []any{Properties{"pkixPublicKey": Properties{"signatureAlgorithm": "RSA_PSS_2048_SHA256"}}}}}, 400, "does not match the key")
	refuse("note without a hint", KindNote, Properties{"name": "n", "attestationAuthority": Properties{"hint": Properties{"humanReadableName": ""}}}, 400, "it is required")
	refuse("note's name", KindNote, Properties{"name": "a/b"}, 400, "must be letters, digits")
	refuse("occurrence's note", KindOccurrence, Properties{"noteName": testNote}, 404, "'"+testNote+"' was not found")
	refuse("occurrence's note by its ID", KindOccurrence, Properties{"noteName": "edge"}, 400, "must be projects/<project>/notes/<note>")
	refuse("occurrence's payload", KindOccurrence, Properties{"attestation": Properties{"serializedPayload": "{}"}}, 400, "it is not Base64")
	refuse("occurrence unsigned", KindOccurrence, Properties{"attestation": Properties{"signatures": []any{}}}, 400, "one signature or more")
	refuse("occurrence's signer", KindOccurrence, Properties{"attestation": Properties{"signatures": []any{Properties{"publicKeyId": "key 1"}}}}, 400, "is not a URI")
	refuse("policy's pattern", KindAdmissionPolicy, Properties{"admissionWhitelistPatterns": []any{Properties{"namePattern": "**/image"}}}, 400, "must be an image's name")
}
