package gcp

import (
	"crypto/ecdsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"regexp"
	"strings"
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

// Reviewer decides by the policies of a cloud which pods may run.
type Reviewer struct{ *Cloud }

// Review returns why Binary Authorization refuses a pod in a cluster, or "". The cluster is
// given by its full name. A cluster with PROJECT_SINGLETON_POLICY_ENFORCE asks for it. It
// follows "Policy reference".
func (r Reviewer) Review(cluster string, pod Pod) string {
	v, done := r.View()
	defer done()
	project := segment(cluster, "projects")
	policy := Properties{"globalPolicyEvaluationMode": "ENABLE", "defaultAdmissionRule": Properties{"evaluationMode": "ALWAYS_ALLOW"}} // Google's default
	if o, ok := v.object("projects/" + project + "/policy"); ok && o.made() {
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
func denial(v View, policy Properties, cluster, image string) string {
	var exempt []string
	if policy.str("globalPolicyEvaluationMode") == "ENABLE" {
		exempt = systemImages
	}
	for _, p := range policy.objects("admissionWhitelistPatterns") {
		exempt = append(exempt[:len(exempt):len(exempt)], p.str("namePattern"))
	}
	for _, pattern := range exempt {
		if covers(pattern, image) {
			return ""
		}
	}
	name, rule := admissionRule(policy, cluster)
	why := breach(v, rule, image)
	if why == "" {
		return ""
	}
	why = fmt.Sprintf("Image %s denied by Binary Authorization %s. %s", image, name, why)
	if rule.str("enforcementMode") == "DRYRUN_AUDIT_LOG_ONLY" {
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

// admissionRule returns the rule for a cluster, and its name in messages.
func admissionRule(policy Properties, cluster string) (string, Properties) {
	id := segment(cluster, "locations") + "." + lastSegment(cluster)
	for _, r := range policy.objects("clusterAdmissionRules") {
		if r.str("cluster") == id {
			return "cluster admission rule for " + id, r
		}
	}
	return "default admission rule", policy.object("defaultAdmissionRule")
}

// breach returns how an image fails a rule, or "". An attestation of every attestor is required.
func breach(v View, rule Properties, image string) string {
	switch rule.str("evaluationMode") {
	case "ALWAYS_ALLOW":
		return ""
	case "ALWAYS_DENY":
		return "Denied by always_deny admission rule"
	}
	var missing []string
	for _, attestor := range rule.strings("requireAttestationsBies") {
		if why := unattested(v, attestor, image); why != "" {
			missing = append(missing, fmt.Sprintf("Image %s denied by attestor %s: %s", image, attestor, why))
		}
	}
	return strings.Join(missing, ". ")
}

var imageDigest = regexp.MustCompile(`^[^@]+@(sha256:[0-9a-f]{64})$`)

// unattested returns why an attestor does not vouch for an image. One attestation is for all
// copies of an image, wherever they are ("Create attestations", Binary Authorization).
func unattested(v View, attestor, image string) string {
	digest := imageDigest.FindStringSubmatch(image)
	if digest == nil {
		return "Expected digest with sha256 scheme, but got tag or malformed digest"
	}
	a, ok := v.object(attestor)
	if !ok || !a.made() {
		return "The attestor does not exist"
	}
	note := a.Config.str(attestorNote + ".noteReference")
	keys := a.Properties().objects(attestorNote + ".publicKeys")
	for _, o := range v.all(KindOccurrence, "") {
		if o.made() && strings.HasSuffix("/"+o.Config.str("noteName"), "/"+note) && attests(o.Config.object("attestation"), digest[1], keys) {
			return ""
		}
	}
	return "No attestations found that were valid and signed by a key trusted by the attestor"
}

// attests reports whether one of the keys has signed that an image has a digest.
func attests(attestation Properties, digest string, keys []Properties) bool {
	payload, err := base64.StdEncoding.DecodeString(attestation.str("serializedPayload"))
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
	for _, s := range attestation.objects("signatures") {
		signature, err := base64.StdEncoding.DecodeString(s.str("signature"))
		for _, key := range keys {
			trusted, keyErr := publicKey(key.str("pkixPublicKey.publicKeyPem"))
			if err == nil && keyErr == nil && key.str("id") == s.str("publicKeyId") && ecdsa.VerifyASN1(trusted, sum[:], signature) {
				return true
			}
		}
	}
	return false
}
