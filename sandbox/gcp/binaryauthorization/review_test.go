package binaryauthorization_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/binaryauthorization"
	"example.com/grpc-edge/sandbox/gcp/gcptest"
	"example.com/grpc-edge/sandbox/gcp/iam"
	"example.com/grpc-edge/sandbox/gcp/kms"
)

const (
	testVersion = gcptest.KeyName + "/cryptoKeyVersions/1"
	testNote    = "projects/test-project/notes/edge"
	ours        = "us-central1-docker.pkg.dev/test-project/images/"
)

func sha(digit string) string { return "sha256:" + strings.Repeat(digit, 64) }

func attestorWith(pem string) gcp.Properties {
	return gcp.Properties{"name": "edge", "attestationAuthorityNote": gcp.Properties{"noteReference": testNote, "publicKeys": []any{gcp.Properties{
		"id": keyID(testVersion), "pkixPublicKey": gcp.Properties{"publicKeyPem": pem, "signatureAlgorithm": "ECDSA_P256_SHA256"},
	}}}}
}

func keyID(version string) string { return "//cloudkms.googleapis.com/v1/" + version }

// attestation returns an attestation for an image by its payload's digest, signed with a version
// of the key.
func attestation(t *testing.T, c *gcp.Cloud, image, digest, version, id string) gcp.Properties {
	t.Helper()
	payload := fmt.Sprintf(`{"critical":{"identity":{"docker-reference":%q},"image":{"docker-manifest-digest":%q},"type":"Google cloud binauthz container signature"}}`, image, digest)
	sum := sha256.Sum256([]byte(payload))
	signature, err := kms.Keys{Cloud: c}.Sign(context.Background(), version, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return gcp.Properties{"noteName": testNote, "resourceUri": "https://" + image + "@" + digest, "attestation": gcp.Properties{
		"serializedPayload": base64.StdEncoding.EncodeToString([]byte(payload)),
		"signatures":        []any{gcp.Properties{"publicKeyId": id, "signature": base64.StdEncoding.EncodeToString(signature)}},
	}}
}

// signing returns a cloud with a key, a note and an attestor.
func signing(t *testing.T) *gcp.Cloud {
	t.Helper()
	c := gcptest.Open(t, t.TempDir(), gcptest.NewRuntime())
	gcptest.Enable(t, c)
	gcptest.Create(t, c, binaryauthorization.KindNote, gcp.Properties{"name": "edge", "attestationAuthority": gcp.Properties{"hint": gcp.Properties{"humanReadableName": "Edge"}}})
	pem, err := kms.Keys{Cloud: c}.SigningKey(context.Background(), testVersion)
	if err != nil {
		t.Fatal(err)
	}
	gcptest.Create(t, c, binaryauthorization.KindAttestor, attestorWith(pem))
	return c
}

// TestReview asks about images of all sorts under a policy that requires attestations, and
// changes of it.
func TestReview(t *testing.T) {
	t.Parallel()
	c := signing(t)
	for _, a := range []gcp.Properties{
		attestation(t, c, ours+"echo", sha("1"), testVersion, keyID(testVersion)),
		attestation(t, c, ours+"echo", sha("2"), gcptest.KeyName+"/cryptoKeyVersions/2", keyID(testVersion)),                                                           // signed by another key
		attestation(t, c, ours+"echo", sha("3"), testVersion, keyID(gcptest.KeyName+"/cryptoKeyVersions/2")),                                                           // says that it is by another
		gcptest.With(attestation(t, c, ours+"echo", sha("4"), testVersion, keyID(testVersion)), gcp.Properties{"resourceUri": "https://" + ours + "echo@" + sha("5")}), // of another digest
	} {
		gcptest.Create(t, c, binaryauthorization.KindOccurrence, a)
	}
	damaged := attestation(t, c, ours+"echo", sha("6"), testVersion, keyID(testVersion))
	damaged.Object("attestation")["serializedPayload"] = base64.StdEncoding.EncodeToString([]byte(
		`{"critical":{"image":{"docker-manifest-digest":"` + sha("7") + `"}}}`))
	gcptest.Create(t, c, binaryauthorization.KindOccurrence, damaged)

	const by = "denied by attestor projects/test-project/attestors/edge: "
	const none = by + "No attestations found that were valid and signed by a key trusted by the attestor"
	required := gcp.Properties{
		"globalPolicyEvaluationMode": "ENABLE",
		"admissionWhitelistPatterns": []any{gcp.Properties{"namePattern": "mirror.example/envoy@" + sha("e")}, gcp.Properties{"namePattern": "mirror.example/flat/*"},
			gcp.Properties{"namePattern": "mirror.example/deep/**"}},
		"defaultAdmissionRule": gcp.Properties{"evaluationMode": "REQUIRE_ATTESTATION", "enforcementMode": "ENFORCED_BLOCK_AND_AUDIT_LOG",
			"requireAttestationsBies": []any{"projects/test-project/attestors/edge"}},
	}
	rule := func(mode, enforcement string) gcp.Properties {
		return gcp.Properties{"defaultAdmissionRule": gcp.Properties{"evaluationMode": mode, "enforcementMode": enforcement}}
	}
	dry := required.Clone()
	dry.Object("defaultAdmissionRule")["enforcementMode"] = "DRYRUN_AUDIT_LOG_ONLY"
	tests := []struct {
		name   string
		policy gcp.Properties
		image  string
		want   string // part of the refusal; empty if it may run
	}{
		{"signed", required, ours + "echo@" + sha("1"), ""},
		{"a copy elsewhere of what is signed", required, "other.example/echo@" + sha("1"), ""}, // "identical images that are stored in multiple different locations"
		{"signed by another key", required, ours + "echo@" + sha("2"), none},
		{"signed with another key's ID", required, ours + "echo@" + sha("3"), none},
		{"what an attestation is filed under, and does not say", required, ours + "echo@" + sha("5"), none},
		{"what was said before the payload was changed", required, ours + "echo@" + sha("6"), none},
		{"what a changed payload says", required, ours + "echo@" + sha("7"), none},
		{"unsigned", required, ours + "echo@" + sha("8"), "Image " + ours + "echo@" + sha("8") + " denied by Binary Authorization default admission rule. Image " + ours + "echo@" + sha("8") + " " + none},
		{"a tag", required, ours + "echo:latest", by + "Expected digest with sha256 scheme, but got tag or malformed digest"},
		{"exempt by its digest", required, "mirror.example/envoy@" + sha("e"), ""},
		{"another digest of what is exempt", required, "mirror.example/envoy@" + sha("f"), none},
		{"exempt by its path", required, "mirror.example/flat/envoy:v1", ""},
		{"below an exempt path", required, "mirror.example/flat/more/envoy@" + sha("f"), none},
		{"exempt with all below", required, "mirror.example/deep/more/envoy:v1", ""},
		{"Google's own", required, "gke.gcr.io/kube-dns/sidecar:v1", ""},
		{"Google's own without the system policy", gcptest.With(required, gcp.Properties{"globalPolicyEvaluationMode": "DISABLE"}), "gke.gcr.io/pause@" + sha("f"), none},
		{"dry run", dry, ours + "echo@" + sha("8"), ""},
		{"all allowed", rule("ALWAYS_ALLOW", "ENFORCED_BLOCK_AND_AUDIT_LOG"), "docker.io/library/nginx:latest", ""},
		{"all denied", rule("ALWAYS_DENY", "ENFORCED_BLOCK_AND_AUDIT_LOG"), "nginx", "Image nginx denied by Binary Authorization default admission rule. Denied by always_deny admission rule"},
		{"without a policy", nil, "nginx", ""},
	}
	for _, test := range tests {
		if test.policy == nil {
			gcptest.Remove(t, c, "projects/test-project/policy")
		} else {
			gcptest.Create(t, c, binaryauthorization.KindAdmissionPolicy, test.policy)
		}
		got := binaryauthorization.Reviewer{c}.Review(gcptest.ClusterName, binaryauthorization.Pod{Images: []string{test.image}})
		if test.want == "" && got != "" || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}

	gcptest.Create(t, c, binaryauthorization.KindAdmissionPolicy, required)
	both := binaryauthorization.Reviewer{c}.Review(gcptest.ClusterName, binaryauthorization.Pod{Images: []string{ours + "echo@" + sha("1"), "first", "second"}})
	if strings.Contains(both, "echo") || !strings.Contains(both, "Image first ") || !strings.Contains(both, "Image second ") {
		t.Errorf("of three images: %q, want both that are refused", both)
	}
	for label, may := range map[string]bool{"true": true, "false": false} {
		if got := (binaryauthorization.Reviewer{c}).Review(gcptest.ClusterName, binaryauthorization.Pod{Labels: map[string]string{"image-policy.k8s.io/break-glass": label}, Images: []string{"nginx"}}); (got == "") != may {
			t.Errorf("with the label %s: %q, want allowed = %t", label, got, may)
		}
	}
	// Another key of the attestor is in force at once, and the old signatures are worth nothing.
	pem, err := kms.Keys{Cloud: c}.SigningKey(context.Background(), gcptest.KeyName+"/cryptoKeyVersions/3")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Update(context.Background(), "projects/test-project/attestors/edge", gcptest.Here, attestorWith(pem)); err != nil {
		t.Fatal(err)
	}
	if got := (binaryauthorization.Reviewer{c}).Review(gcptest.ClusterName, binaryauthorization.Pod{Images: []string{ours + "echo@" + sha("1")}}); !strings.Contains(got, none) {
		t.Errorf("signed by the attestor's former key: %q, want %q", got, none)
	}
}

// TestSigningKeys checks that keys are kept apart, and are the same after a restart.
func TestSigningKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := gcptest.Open(t, dir, gcptest.NewRuntime())
	ctx := context.Background()
	if _, err := (kms.Keys{Cloud: c}).SigningKey(ctx, testVersion); gcptest.Code(err) != 403 || !strings.Contains(err.Error(), "(KMS) API") {
		t.Errorf("without the API: %v, want 403", err)
	}
	gcptest.Enable(t, c)
	one, err := kms.Keys{Cloud: c}.SigningKey(ctx, testVersion)
	if err != nil {
		t.Fatal(err)
	}
	if two, err := (kms.Keys{Cloud: c}).SigningKey(ctx, gcptest.KeyName+"/cryptoKeyVersions/2"); err != nil || two == one {
		t.Errorf("another version has the key %s (%v), want another one", two, err)
	}
	if again, err := (kms.Keys{Cloud: gcptest.Open(t, dir, gcptest.NewRuntime())}).SigningKey(ctx, testVersion); err != nil || again != one {
		t.Errorf("after a restart the key is %s (%v), want the same", again, err)
	}
	state, err := os.ReadFile(filepath.Join(dir, "state.json"))
	if err != nil || strings.Contains(string(state), "PRIVATE KEY") {
		t.Errorf("the state has a private key (%v)", err)
	}
	files, err := filepath.Glob(filepath.Join(dir, "keys", "*.pem"))
	if err != nil || len(files) != 2 {
		t.Fatalf("the keys are in %v (%v), want two files", files, err)
	}
	for _, file := range files {
		if info, err := os.Stat(file); err != nil || info.Mode().Perm() != 0o600 {
			t.Errorf("%s has the mode %v (%v), want 0600", file, info.Mode(), err)
		}
	}
	for _, wrong := range []string{gcptest.KeyName, testVersion + "x", gcptest.KeyName + "/cryptoKeyVersions/0", "../" + testVersion} {
		if _, err := (kms.Keys{Cloud: c}).SigningKey(ctx, wrong); gcptest.Code(err) != 400 {
			t.Errorf("%s: %v, want 400", wrong, err)
		}
	}
	if _, err := (kms.Keys{Cloud: c}).Sign(ctx, testVersion, []byte("short")); gcptest.Code(err) != 400 {
		t.Errorf("signing what is no digest: %v, want 400", err)
	}

	gcptest.Create(t, c, iam.KindServiceAccount, gcp.Properties{"accountId": "nodes-account"})
	as := gcp.As(ctx, gcptest.AccountEmail)
	digest := sha256.Sum256(nil)
	if _, err := (kms.Keys{Cloud: c}).Sign(as, testVersion, digest[:]); gcptest.Code(err) != 403 || !strings.Contains(err.Error(), "cloudkms.cryptoKeyVersions.useToSign") {
		t.Errorf("without the right: %v, want 403 that names it", err)
	}
	gcptest.Create(t, c, kms.KindCryptoKeyMember, gcp.Properties{"cryptoKeyId": gcptest.KeyName, "role": "roles/cloudkms.signer", "member": "serviceAccount:" + gcptest.AccountEmail})
	if _, err := (kms.Keys{Cloud: c}).Sign(as, testVersion, digest[:]); err != nil {
		t.Errorf("with roles/cloudkms.signer on the key: %v", err)
	}
	if _, err := (kms.Keys{Cloud: c}).SigningKey(as, testVersion); gcptest.Code(err) != 403 || !strings.Contains(err.Error(), "cloudkms.cryptoKeyVersions.get") {
		t.Errorf("reading the key with the right to sign alone: %v, want 403", err)
	}
}

// TestEnforcementIsSwitched checks that enforcement is switched in place, on the same cluster.
func TestEnforcementIsSwitched(t *testing.T) {
	t.Parallel()
	rt := gcptest.NewRuntime()
	c := gcptest.Open(t, t.TempDir(), rt)
	gcptest.Build(t, c)
	for _, mode := range []string{"PROJECT_SINGLETON_POLICY_ENFORCE", "DISABLED"} {
		if _, err := c.Update(context.Background(), gcptest.ClusterName, gcptest.Here, gcptest.With(gcptest.ClusterConfig, gcp.Properties{"binaryAuthorization": gcp.Properties{"evaluationMode": mode}})); err != nil {
			t.Fatal(err)
		}
		if got, want := rt.Clusters["gke"].BinaryAuthorization, mode != "DISABLED"; got != want {
			t.Errorf("with %s the cluster enforces = %t, want %t", mode, got, want)
		}
	}
	if name := rt.Clusters["gke"].FullName(); name != gcptest.ClusterName {
		t.Errorf("the cluster is %s, want %s", name, gcptest.ClusterName)
	}
}

// TestKeyWithoutID checks that a key without an ID gets the name of its digest.
func TestKeyWithoutID(t *testing.T) {
	t.Parallel()
	c := signing(t)
	pem, err := kms.Keys{Cloud: c}.SigningKey(context.Background(), testVersion)
	if err != nil {
		t.Fatal(err)
	}
	config := attestorWith(pem)
	delete(config.Objects("attestationAuthorityNote.publicKeys")[0], "id")
	o := gcptest.Create(t, c, binaryauthorization.KindAttestor, gcptest.With(config, gcp.Properties{"name": "other"}))
	made := o.Properties().Object("attestationAuthorityNote")
	if id := made.Objects("publicKeys")[0].Text("id"); !strings.HasPrefix(id, "ni:///sha-256;") {
		t.Errorf("the key has the ID %q, want one of RFC 6920", id)
	}
	if email := made.Text("delegationServiceAccountEmail"); !strings.HasSuffix(email, "@gcp-sa-binaryauthorization.iam.gserviceaccount.com") {
		t.Errorf("the attestor reads as %q, want the service agent of Binary Authorization", email)
	}
}
