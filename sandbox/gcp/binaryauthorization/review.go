package binaryauthorization

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"

	"example.com/grpc-edge/sandbox/gcp"
)

// Pod holds what Binary Authorization checks of a pod that is to run.
type Pod struct {
	Labels map[string]string
	Images []string
}

// breakGlass is the label of a pod that may run whatever the policy says ("Use
// breakglass", Binary Authorization).
const breakGlass = "image-policy.k8s.io/break-glass"

// systemImages lists Google's own images, which globalPolicyEvaluationMode ENABLE allows
// ("Policy reference": the system policy covers the images of GKE).
var systemImages = []string{"gke.gcr.io/**", "gcr.io/gke-release/**", "k8s.gcr.io/**", "gcr.io/stackdriver-agents/*"}

// Reviewer decides which pods may run, according to the policies of a cloud.
type Reviewer struct{ *gcp.Cloud }

// Review returns why Binary Authorization refuses a pod in a cluster, or "". The cluster is
// given by its full name. Clusters with PROJECT_SINGLETON_POLICY_ENFORCE ask for a
// review. The rules follow "Policy reference".
func (r Reviewer) Review(cluster string, pod Pod) string {
	v, done := r.View()
	defer done()
	project := gcp.Segment(cluster, "projects")
	policy := gcp.Properties{"globalPolicyEvaluationMode": "ENABLE", "defaultAdmissionRule": gcp.Properties{"evaluationMode": "ALWAYS_ALLOW"}} // Google's default
	if o, ok := v.Object("projects/" + project + "/policy"); ok && o.Made() {
		policy = o.Properties()
	}
	var denials []string
	for _, image := range pod.Images {
		if why := denial(v, policy, cluster, image); why != "" {
			denials = append(denials, why)
		}
	}
	why := strings.Join(denials, ". ")
	if why != "" && pod.Labels[breakGlass] == "true" {
		slog.Warn("breakglass: Cloud Audit Logs would have this", "cluster", cluster, "reason", why)
		return ""
	}
	return why
}

// denial returns why one image may not run, in Google's words, or "".
func denial(v gcp.View, policy gcp.Properties, cluster, image string) string {
	var exempt []string
	if policy.Text("globalPolicyEvaluationMode") == "ENABLE" {
		exempt = systemImages
	}
	for _, p := range policy.Objects("admissionWhitelistPatterns") {
		exempt = append(exempt[:len(exempt):len(exempt)], p.Text("namePattern"))
	}
	for _, pattern := range exempt {
		if covers(pattern, image) {
			return ""
		}
	}
	rule := policy.Object("defaultAdmissionRule")
	why := breach(v, rule, image)
	if why == "" {
		return ""
	}
	why = fmt.Sprintf("Image %s denied by Binary Authorization default admission rule. %s", image, why)
	if rule.Text("enforcementMode") == "DRYRUN_AUDIT_LOG_ONLY" {
		slog.Warn("dry run: Cloud Audit Logs would have this", "cluster", cluster, "reason", why)
		return ""
	}
	return why
}

// covers matches an image with a pattern: * at its end is anything but a slash, and **
// anything ("AdmissionWhitelistPattern", Binary Authorization API). A tag or a digest
// is part of what is matched.
func covers(pattern, image string) bool {
	if before, deep := strings.CutSuffix(pattern, "**"); deep {
		return strings.HasPrefix(image, before)
	}
	before, wild := strings.CutSuffix(pattern, "*")
	rest, found := strings.CutPrefix(image, before)
	return found && (rest == "" || wild && !strings.Contains(rest, "/"))
}

// breach returns how an image fails a rule, or "". An attestation of every attestor is required.
func breach(v gcp.View, rule gcp.Properties, image string) string {
	switch rule.Text("evaluationMode") {
	case "ALWAYS_ALLOW":
		return ""
	case "ALWAYS_DENY":
		return "Denied by always_deny admission rule"
	}
	var missing []string
	for _, attestor := range rule.Texts("requireAttestationsBies") {
		if why := unattested(v, attestor, image); why != "" {
			missing = append(missing, fmt.Sprintf("Image %s denied by attestor %s: %s", image, attestor, why))
		}
	}
	return strings.Join(missing, ". ")
}

var imageDigest = regexp.MustCompile(`^[^@]+@(sha256:[0-9a-f]{64})$`)

// unattested returns why an attestor does not vouch for an image. One attestation is for all
// copies of an image, wherever they are ("Create attestations", Binary Authorization).
func unattested(v gcp.View, attestor, image string) string {
	digest := imageDigest.FindStringSubmatch(image)
	if digest == nil {
		return "Expected digest with sha256 scheme, but got tag or malformed digest"
	}
	a, ok := v.Object(attestor)
	if !ok || !a.Made() {
		return "The attestor does not exist"
	}
	note := a.Config.Text(attestorNote + ".noteReference")
	keys := a.Properties().Objects(attestorNote + ".publicKeys")
	for _, o := range v.All(KindOccurrence, "") {
		if o.Made() && strings.HasSuffix("/"+o.Config.Text("noteName"), "/"+note) && attests(o.Config.Object("attestation"), digest[1], keys) {
			return ""
		}
	}
	return "No attestations found that were valid and signed by a key trusted by the attestor"
}

// attests reports whether one of the keys has signed that an image has a digest.
func attests(attestation gcp.Properties, digest string, keys []gcp.Properties) bool {
	payload, err := base64.StdEncoding.DecodeString(attestation.Text("serializedPayload"))
	if err != nil {
		return false
	}
	var said struct { // "Create attestations": the payload
		Critical struct {
			Image struct {
				Digest string `json:"docker-manifest-digest"`
			} `json:"image"`
		} `json:"critical"`
	}
	if json.Unmarshal(payload, &said) != nil || said.Critical.Image.Digest != digest {
		return false
	}
	sum := sha256.Sum256(payload)
	for _, s := range attestation.Objects("signatures") {
		signature, err := base64.StdEncoding.DecodeString(s.Text("signature"))
		for _, key := range keys {
			trusted, keyErr := publicKey(key.Text("pkixPublicKey.publicKeyPem"))
			if err == nil && keyErr == nil && key.Text("id") == s.Text("publicKeyId") && ecdsa.VerifyASN1(trusted, sum[:], signature) {
				return true
			}
		}
	}
	return false
}
