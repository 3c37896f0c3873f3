package gcp

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

const (
	testVersion = testKey + "/cryptoKeyVersions/1"
	testNote    = "projects/test-project/notes/edge"
	ours        = "us-central1-docker.pkg.dev/test-project/images/"
)

func sha(digit string) string { return "sha256:" + strings.Repeat(digit, 64) }

func attestorWith(pem string) Properties {
	return Properties{"name": "edge", "attestationAuthorityNote": Properties{"noteReference": testNote, "publicKeys": []any{Properties{
		"id": keyID(testVersion), "pkixPublicKey": Properties{"publicKeyPem": pem, "signatureAlgorithm": "ECDSA_P256_SHA256"},
	}}}}
}

func keyID(version string) string { return "//cloudkms.googleapis.com/v1/" + version }

// attestation returns an attestation for an image by its payload's digest, signed with a version
// of the key.
func attestation(t *testing.T, c *Cloud, image, digest, version, id string) Properties {
	t.Helper()
	payload := fmt.Sprintf(`{"critical":{"identity":{"docker-reference":%q},"image":{"docker-manifest-digest":%q},"type":"Google cloud binauthz container signature"}}`, image, digest)
	sum := sha256.Sum256([]byte(payload))
	signature, err := Keys{c}.Sign(context.Background(), version, sum[:])
	if err != nil {
		t.Fatal(err)
	}
	return Properties{"noteName": testNote, "resourceUri": "https://" + image + "@" + digest, "attestation": Properties{
		"serializedPayload": base64.StdEncoding.EncodeToString([]byte(payload)),
		"signatures":        []any{Properties{"publicKeyId": id, "signature": base64.StdEncoding.EncodeToString(signature)}},
	}}
}

// signing returns a cloud with a key, a note and an attestor.
func signing(t *testing.T) *Cloud {
	t.Helper()
	c := open(t, t.TempDir(), newFakeRuntime())
	enable(t, c)
	create(t, c, KindNote, Properties{"name": "edge", "attestationAuthority": Properties{"hint": Properties{"humanReadableName": "Edge"}}})
	pem, err := Keys{c}.SigningKey(context.Background(), testVersion)
	if err != nil {
		t.Fatal(err)
	}
	create(t, c, KindAttestor, attestorWith(pem))
	return c
}

// TestReview asks about images of all sorts under a policy that requires attestations, and
// changes of it.
func TestReview(t *testing.T) {
	t.Parallel()
	c := signing(t)
	for _, a := range []Properties{
		attestation(t, c, ours+"echo", sha("1"), testVersion, keyID(testVersion)),
		attestation(t, c, ours+"echo", sha("2"), testKey+"/cryptoKeyVersions/2", keyID(testVersion)),                                                       // signed by another key
		attestation(t, c, ours+"echo", sha("3"), testVersion, keyID(testKey+"/cryptoKeyVersions/2")),                                                       // says that it is by another
		with(attestation(t, c, ours+"echo", sha("4"), testVersion, keyID(testVersion)), Properties{"resourceUri": "https://" + ours + "echo@" + sha("5")}), // of another digest
	} {
		create(t, c, KindOccurrence, a)
	}
	damaged := attestation(t, c, ours+"echo", sha("6"), testVersion, keyID(testVersion))
	damaged.object("attestation")["serializedPayload"] = base64.StdEncoding.EncodeToString([]byte(
		`{"critical":{"image":{"docker-manifest-digest":"` + sha("7") + `"}}}`))
	create(t, c, KindOccurrence, damaged)

	const by = "denied by attestor projects/test-project/attestors/edge: "
	const none = by + "No attestations found that were valid and signed by a key trusted by the attestor"
	required := Properties{
		"globalPolicyEvaluationMode": "ENABLE",
		"admissionWhitelistPatterns": []any{Properties{"namePattern": "mirror.example/envoy@" + sha("e")}, Properties{"namePattern": "mirror.example/flat/*"},
			Properties{"namePattern": "mirror.example/deep/**"}},
		"defaultAdmissionRule": Properties{"evaluationMode": "REQUIRE_ATTESTATION", "enforcementMode": "ENFORCED_BLOCK_AND_AUDIT_LOG",
			"requireAttestationsBies": []any{"projects/test-project/attestors/edge"}},
	}
	rule := func(mode, enforcement string) Properties {
		return Properties{"defaultAdmissionRule": Properties{"evaluationMode": mode, "enforcementMode": enforcement}}
	}
	forCluster := Properties{"clusterAdmissionRules": []any{Properties{"cluster": "us-central1.gke", "evaluationMode": "ALWAYS_DENY", "enforcementMode": "ENFORCED_BLOCK_AND_AUDIT_LOG"}}}
	dry := required.clone()
	dry.object("defaultAdmissionRule")["enforcementMode"] = "DRYRUN_AUDIT_LOG_ONLY"
	tests := []struct {
		name   string
		policy Properties
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
		{"Google's own without the system policy", with(required, Properties{"globalPolicyEvaluationMode": "DISABLE"}), "gke.gcr.io/pause@" + sha("f"), none},
		{"dry run", dry, ours + "echo@" + sha("8"), ""},
		{"all allowed", rule("ALWAYS_ALLOW", "ENFORCED_BLOCK_AND_AUDIT_LOG"), "docker.io/library/nginx:latest", ""},
		{"all denied", rule("ALWAYS_DENY", "ENFORCED_BLOCK_AND_AUDIT_LOG"), "nginx", "Image nginx denied by Binary Authorization default admission rule. Denied by always_deny admission rule"},
		{"denied in this cluster", with(required, forCluster), ours + "echo@" + sha("1"), "denied by Binary Authorization cluster admission rule for us-central1.gke. Denied by always_deny"},
		{"without a policy", nil, "nginx", ""},
	}
	for _, test := range tests {
		if test.policy == nil {
			remove(t, c, "projects/test-project/policy")
		} else {
			create(t, c, KindAdmissionPolicy, test.policy)
		}
		got := Reviewer{c}.Review(clusterPath, Pod{Images: []string{test.image}})
		if test.want == "" && got != "" || !strings.Contains(got, test.want) {
			t.Errorf("%s: %q, want %q", test.name, got, test.want)
		}
	}

	create(t, c, KindAdmissionPolicy, required)
	both := Reviewer{c}.Review(clusterPath, Pod{Images: []string{ours + "echo@" + sha("1"), "first", "second"}})
	if strings.Contains(both, "echo") || !strings.Contains(both, "Image first ") || !strings.Contains(both, "Image second ") {
		t.Errorf("of three images: %q, want both that are refused", both)
	}
	for label, may := range map[string]bool{"true": true, "false": false} {
		if got := (Reviewer{c}).Review(clusterPath, Pod{Labels: map[string]string{"image-policy.k8s.io/break-glass": label}, Images: []string{"nginx"}}); (got == "") != may {
			t.Errorf("with the label %s: %q, want allowed = %t", label, got, may)
		}
	}
	// Another key of the attestor is in force at once, and the old signatures are worth nothing.
	pem, err := Keys{c}.SigningKey(context.Background(), testKey+"/cryptoKeyVersions/3")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.Update(context.Background(), "projects/test-project/attestors/edge", here, attestorWith(pem)); err != nil {
		t.Fatal(err)
	}
	if got := (Reviewer{c}).Review(clusterPath, Pod{Images: []string{ours + "echo@" + sha("1")}}); !strings.Contains(got, none) {
		t.Errorf("signed by the attestor's former key: %q, want %q", got, none)
	}
}

// TestSigningKeys checks that keys are kept apart, and are the same after a restart.
func TestSigningKeys(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := open(t, dir, newFakeRuntime())
	ctx := context.Background()
	if _, err := (Keys{c}).SigningKey(ctx, testVersion); code(err) != 403 || !strings.Contains(err.Error(), "(KMS) API") {
		t.Errorf("without the API: %v, want 403", err)
	}
	enable(t, c)
	one, err := Keys{c}.SigningKey(ctx, testVersion)
	if err != nil {
		t.Fatal(err)
	}
	if two, err := (Keys{c}).SigningKey(ctx, testKey+"/cryptoKeyVersions/2"); err != nil || two == one {
		t.Errorf("another version has the key %s (%v), want another one", two, err)
	}
	if again, err := (Keys{open(t, dir, newFakeRuntime())}).SigningKey(ctx, testVersion); err != nil || again != one {
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
	for _, wrong := range []string{testKey, testVersion + "x", testKey + "/cryptoKeyVersions/0", "../" + testVersion} {
		if _, err := (Keys{c}).SigningKey(ctx, wrong); code(err) != 400 {
			t.Errorf("%s: %v, want 400", wrong, err)
		}
	}
	if _, err := (Keys{c}).Sign(ctx, testVersion, []byte("short")); code(err) != 400 {
		t.Errorf("signing what is no digest: %v, want 400", err)
	}

	create(t, c, KindServiceAccount, Properties{"accountId": "nodes-account"})
	as := As(ctx, accountEmail)
	digest := sha256.Sum256(nil)
	if _, err := (Keys{c}).Sign(as, testVersion, digest[:]); code(err) != 403 || !strings.Contains(err.Error(), "cloudkms.cryptoKeyVersions.useToSign") {
		t.Errorf("without the right: %v, want 403 that names it", err)
	}
	create(t, c, KindCryptoKeyMember, Properties{"cryptoKeyId": testKey, "role": "roles/cloudkms.signer", "member": "serviceAccount:" + accountEmail})
	if _, err := (Keys{c}).Sign(as, testVersion, digest[:]); err != nil {
		t.Errorf("with roles/cloudkms.signer on the key: %v", err)
	}
	if _, err := (Keys{c}).SigningKey(as, testVersion); code(err) != 403 || !strings.Contains(err.Error(), "cloudkms.cryptoKeyVersions.get") {
		t.Errorf("reading the key with the right to sign alone: %v, want 403", err)
	}
}

// TestEnforcementIsSwitched checks that enforcement is switched in place, with the cluster as it is.
func TestEnforcementIsSwitched(t *testing.T) {
	t.Parallel()
	rt := newFakeRuntime()
	c := open(t, t.TempDir(), rt)
	build(t, c)
	for _, mode := range []string{"PROJECT_SINGLETON_POLICY_ENFORCE", "DISABLED"} {
		if _, err := c.Update(context.Background(), clusterPath, here, with(clusterConfig, Properties{"binaryAuthorization": Properties{"evaluationMode": mode}})); err != nil {
			t.Fatal(err)
		}
		if got, want := rt.clusters["gke"].BinaryAuthorization, mode != "DISABLED"; got != want {
			t.Errorf("with %s the cluster enforces = %t, want %t", mode, got, want)
		}
	}
	if name := rt.clusters["gke"].FullName(); name != clusterPath {
		t.Errorf("the cluster is %s, want %s", name, clusterPath)
	}
}

// TestKeyWithoutID checks that a key without an ID gets the name of its digest.
func TestKeyWithoutID(t *testing.T) {
	t.Parallel()
	c := signing(t)
	pem, err := Keys{c}.SigningKey(context.Background(), testVersion)
	if err != nil {
		t.Fatal(err)
	}
	config := attestorWith(pem)
	delete(config.objects("attestationAuthorityNote.publicKeys")[0], "id")
	o := create(t, c, KindAttestor, with(config, Properties{"name": "other"}))
	made := o.Properties().object("attestationAuthorityNote")
	if id := made.objects("publicKeys")[0].str("id"); !strings.HasPrefix(id, "ni:///sha-256;") {
		t.Errorf("the key has the ID %q, want one of RFC 6920", id)
	}
	if email := made.str("delegationServiceAccountEmail"); !strings.HasSuffix(email, "@gcp-sa-binaryauthorization.iam.gserviceaccount.com") {
		t.Errorf("the attestor reads as %q, want the service agent of Binary Authorization", email)
	}
}
