package main

import (
	"crypto/ecdsa"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/grpc-edge/internal/selfsigned"
)

// signer serves as Cloud KMS, with one key.
var signer = newKey()

type key struct {
	private *ecdsa.PrivateKey
	public  string // PEM

	mu     sync.Mutex
	signed int
}

func newKey() *key {
	private, public := selfsigned.Key()
	return &key{private: private, public: public}
}

// ServeHTTP answers asymmetricSign.
func (k *key) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var request struct {
		Digest struct {
			SHA256 []byte `json:"sha256"`
		} `json:"digest"`
	}
	if err := json.NewDecoder(r.Body).Decode(&request); err != nil || !strings.HasSuffix(r.URL.Path, "/cryptoKeyVersions/1:asymmetricSign") || r.Header.Get("Authorization") != "Bearer token" {
		http.Error(w, `{"error": {"message": "what is this"}}`, http.StatusBadRequest)
		return
	}
	signature, err := ecdsa.SignASN1(rand.Reader, k.private, request.Digest.SHA256)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	k.mu.Lock()
	k.signed++
	k.mu.Unlock()
	_ = json.NewEncoder(w).Encode(map[string][]byte{"signature": signature})
}

const signingVersion = "projects/sandbox-project/locations/us-central1/keyRings/pulumi/cryptoKeys/sandbox-images/cryptoKeyVersions/1"

var withSigning = map[string]string{"grpc-edge:binaryAuthorization": "true", "grpc-edge:signingKey": signingVersion}

const (
	attestorType  = "gcp:binaryauthorization/attestor:Attestor"
	admissionType = "gcp:binaryauthorization/policy:Policy"
)

// TestAttestation checks that every image of the stack has an attestation with a signature that
// verifies, pods wait for it, and it is required once it is there.
func TestAttestation(t *testing.T) {
	result := mustRun(t, "sandbox", false, withSigning)
	images := at(result.outputs, "images").ObjectValue()
	var attested, names []string
	for _, r := range result.ofType(t, attestationType) {
		attested = append(attested, strings.TrimPrefix(plain(r.Inputs["resourceUri"]).(string), "https://"))
		names = append(names, r.Type+" "+r.Name)
		verify(t, r)
		if diff := cmp.Diff([]string{"attestation"}, r.IgnoreChanges); diff != "" {
			t.Errorf("%s ignores changes of (-want +got):\n%s", r.Name, diff)
		}
	}
	var want []string
	for _, reference := range images {
		want = append(want, reference.StringValue())
	}
	slices.Sort(want)
	slices.Sort(attested)
	if diff := cmp.Diff(want, attested); diff != "" {
		t.Errorf("attested images (-pushed +attested):\n%s", diff)
	}
	for _, r := range result.ofType(t, deploymentType) {
		if !slices.ContainsFunc(r.DependsOn, func(name string) bool { return strings.HasPrefix(name, attestationType) }) {
			t.Errorf("deployment %s waits for no attestation: it depends on %v", r.Name, r.DependsOn)
		}
	}
	attestor := result.named(t, attestorType, "admission")
	for _, name := range names {
		if !slices.Contains(attestor.DependsOn, name) {
			t.Errorf("the attestor does not wait for %s: it depends on %v", name, attestor.DependsOn)
		}
	}
	check(t, attestor, map[string]any{
		"attestationAuthorityNote.noteReference":                            "projects/sandbox-project/notes/grpc-edge-sandbox",
		"attestationAuthorityNote.publicKeys[0].id":                         "//cloudkms.googleapis.com/v1/" + signingVersion,
		"attestationAuthorityNote.publicKeys[0].pkixPublicKey.publicKeyPem": signer.public,
	})
	check(t, result.named(t, admissionType, "admission"), map[string]any{
		"defaultAdmissionRule.evaluationMode":          "REQUIRE_ATTESTATION",
		"defaultAdmissionRule.requireAttestationsBies": []any{"projects/sandbox-project/attestors/grpc-edge-sandbox"},
		"admissionWhitelistPatterns": []any{map[string]any{
			"namePattern": "us-central1-docker.pkg.dev/sandbox-project/grpc-edge-sandbox-docker-hub/envoyproxy/envoy@" + configOf(t, "sandbox")["grpc-edge:envoyDigest"],
		}},
	})
}

// verify checks the one signature of an attestation.
func verify(t *testing.T, r registered) {
	t.Helper()
	payload, err1 := base64.StdEncoding.DecodeString(plain(at(r.Inputs, "attestation.serializedPayload")).(string))
	signature, err2 := base64.StdEncoding.DecodeString(plain(at(r.Inputs, "attestation.signatures[0].signature")).(string))
	sum := sha256.Sum256(payload)
	if err1 != nil || err2 != nil || !ecdsa.VerifyASN1(&signer.private.PublicKey, sum[:], signature) {
		t.Errorf("the signature of %s does not verify (%v, %v)", r.Name, err1, err2)
	}
	image, digest, _ := strings.Cut(strings.TrimPrefix(plain(r.Inputs["resourceUri"]).(string), "https://"), "@")
	want := `{"critical":{"identity":{"docker-reference":"` + image + `"},"image":{"docker-manifest-digest":"` + digest + `"},"type":"Google cloud binauthz container signature"}}`
	if diff := cmp.Diff(want, string(payload)); diff != "" {
		t.Errorf("payload of %s (-want +got):\n%s", r.Name, diff)
	}
	check(t, r, map[string]any{"attestation.signatures[0].publicKeyId": "//cloudkms.googleapis.com/v1/" + signingVersion})
}

// TestPreviewDoesNotSign checks that a preview signs nothing.
func TestPreviewDoesNotSign(t *testing.T) {
	before := signer.signed
	for _, r := range mustRun(t, "sandbox", true, withSigning).ofType(t, attestationType) {
		check(t, r, map[string]any{"attestation.signatures[0].signature": "(unknown)"})
	}
	if signer.signed != before {
		t.Errorf("the preview signed %d times", signer.signed-before)
	}
}

// TestAttestationsStay checks that the attestation of an image keeps its name, and so is kept, for
// as long as the stack has the image. Another key gives it another name.
func TestAttestationsStay(t *testing.T) {
	names := func(changes map[string]string) map[string]string {
		list := map[string]string{}
		for _, r := range mustRun(t, "sandbox", true, changes).ofType(t, attestationType) {
			list[plain(r.Inputs["resourceUri"]).(string)] = r.Name
		}
		return list
	}
	before := names(withSigning)
	var echo string
	for image := range before {
		if strings.Contains(image, "/echo@") {
			echo = image
		}
	}
	_, digest, _ := strings.Cut(echo, "@")
	tests := []struct {
		what, stable string
		more         int
	}{
		{"the same as its stable version", digest, 0},
		{"another than its stable version", "sha256:" + strings.Repeat("0", 64), 1},
	}
	for _, test := range tests {
		changes := map[string]string{"grpc-edge:canaries": `[{"service": "echo", "stable": "` + test.stable + `", "weight": 10}]`}
		for k, v := range withSigning {
			changes[k] = v
		}
		after := names(changes)
		if len(after) != len(before)+test.more || after[echo] != before[echo] {
			t.Errorf("with a canary that is %s: attestations %v, want %d more than %v", test.what, after, test.more, before)
		}
	}
	rotated := names(map[string]string{"grpc-edge:binaryAuthorization": "true", "grpc-edge:signingKey": strings.TrimSuffix(signingVersion, "1") + "2"})
	if rotated[echo] == before[echo] {
		t.Error("an image has the same attestation by another key: its signature would not be made again")
	}
}
