package config

import (
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// Images describes the clean-up, scanning and mirroring of images in the repositories.
type Images struct {
	// RetentionDays is the age at which an image is deleted, unless it is one of the newest
	// KeepVersions of its service.
	RetentionDays, KeepVersions int
	// Scanning looks for known vulnerabilities in each new image.
	Scanning bool
	// DockerHub is the account that pulls images from Docker Hub; the zero value is no
	// account.
	DockerHub DockerHub
}

// DockerHub is an account on Docker Hub.
type DockerHub struct {
	User string
	// TokenSecret is the version of the secret that holds an access token, as
	// projects/P/secrets/S/versions/V.
	TokenSecret string
}

var (
	dockerHubUser = regexp.MustCompile(`^[a-z0-9]{4,30}$`) // Docker, "Create a Docker account"
	secretVersion = regexp.MustCompile(`^projects/[a-z0-9-]+/secrets/[a-zA-Z0-9_-]{1,255}/versions/[1-9][0-9]*$`)
)

// dockerHub reads the account that pulls Envoy's image: both keys, or none.
func (r *reader) dockerHub() DockerHub {
	const userKey, tokenKey = "grpc-edge:dockerHubUser", "grpc-edge:dockerHubTokenSecret"
	var hub DockerHub
	hub.User, _ = r.text(userKey)
	hub.TokenSecret, _ = r.text(tokenKey)
	if hub.User != "" && !dockerHubUser.MatchString(hub.User) {
		r.refuse(userKey, hub.User, "a user of Docker Hub, 4 to 30 lower case letters and digits, or empty")
	}
	if hub.TokenSecret != "" && !secretVersion.MatchString(hub.TokenSecret) {
		r.refuse(tokenKey, hub.TokenSecret, "projects/PROJECT/secrets/SECRET/versions/NUMBER, or empty")
	}
	if hub.User == "" && hub.TokenSecret != "" {
		r.report(userKey, "is missing: grpc-edge:dockerHubTokenSecret is the token of a user")
	}
	if hub.User != "" && hub.TokenSecret == "" {
		r.report(tokenKey, "is missing: grpc-edge:dockerHubUser needs a token")
	}
	return hub
}

const labelsKey = "grpc-edge:labels"

// Keys and values have at most 63 characters, and a resource at most 64 labels (Google
// Cloud, "Labels overview").
var (
	labelKey   = regexp.MustCompile(`^[a-z][a-z0-9_-]{0,62}$`)
	labelValue = regexp.MustCompile(`^[a-z0-9_-]{0,63}$`)
)

const mostLabels = 64

func (r *reader) labels() map[string]string {
	labels := map[string]string{}
	r.object(labelsKey, &labels)
	for key, value := range labels {
		if !labelKey.MatchString(key) || !labelValue.MatchString(value) {
			r.report(labelsKey, "has %q: %q; a key and its value must be at most 63 lower case letters, digits, _ and -, the key beginning with a letter", key, value)
		}
	}
	if len(labels) > mostLabels {
		r.report(labelsKey, "has %d labels; there may be %d", len(labels), mostLabels)
	}
	return labels
}

const kmsKeyKey = "grpc-edge:kmsKey"

var kmsKey = regexp.MustCompile(`^projects/[a-z][a-z0-9-]+/locations/([a-z0-9-]+)/keyRings/[a-zA-Z0-9_-]{1,63}/cryptoKeys/[a-zA-Z0-9_-]{1,63}$`)

// kms reads the key. It must be in the same location as the data that it encrypts (Cloud KMS,
// "CMEK integrations").
func (r *reader) kms(region string) string {
	value, ok := r.text(kmsKeyKey)
	if !ok || value == "" {
		return ""
	}
	parts := kmsKey.FindStringSubmatch(value)
	_, lost := r.problems["gcp:region"]
	if parts == nil || parts[1] != region && !lost {
		r.refuse(kmsKeyKey, value, fmt.Sprintf("projects/PROJECT/locations/%s/keyRings/RING/cryptoKeys/KEY, in the region of the stack, or empty", region))
	}
	return value
}

// SigningKey is a version of a Cloud KMS key that signs images; the zero value is none.
type SigningKey struct {
	// Key is projects/P/locations/L/keyRings/R/cryptoKeys/K.
	Key     string
	Version int
}

// Name returns the resource name of the version.
func (k SigningKey) Name() string { return fmt.Sprintf("%s/cryptoKeyVersions/%d", k.Key, k.Version) }

const signingKeyKey = "grpc-edge:signingKey"

var signingKey = regexp.MustCompile(`^(projects/[a-z][a-z0-9-]+/locations/[a-z0-9-]+/keyRings/[a-zA-Z0-9_-]{1,63}/cryptoKeys/[a-zA-Z0-9_-]{1,63})/cryptoKeyVersions/([1-9][0-9]{0,8})$`)

// signingKey reads the key, which may be in any location. Without Binary Authorization
// nothing would check signatures, so a key is refused.
func (r *reader) signingKey(required bool) SigningKey {
	value, ok := r.text(signingKeyKey)
	if !ok || value == "" {
		return SigningKey{}
	}
	parts := signingKey.FindStringSubmatch(value)
	if parts == nil {
		r.refuse(signingKeyKey, value, "projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY/cryptoKeyVersions/NUMBER, or empty")
		return SigningKey{}
	}
	if !required {
		r.refuse(signingKeyKey, value, "empty without grpc-edge:binaryAuthorization")
	}
	version, err := strconv.Atoi(parts[2])
	if err != nil {
		r.refuse(signingKeyKey, value, "a version that is a number: "+err.Error())
	}
	return SigningKey{Key: parts[1], Version: version}
}

const loggingKey = "grpc-edge:logging"

// loggingComponents lists the components that GKE can log (GKE API,
// "LoggingComponentConfig").
var loggingComponents = []string{"SYSTEM_COMPONENTS", "WORKLOADS", "APISERVER", "SCHEDULER", "CONTROLLER_MANAGER"}

// logging reads the components to log. GKE supports the others only together with the
// system's own logs ("About GKE logs").
func (r *reader) logging() []string {
	components := r.list(loggingKey, 0, anything, "")
	value, _ := r.get(loggingKey)
	for i, component := range components {
		if !slices.Contains(loggingComponents, component) || slices.Index(components, component) < i {
			r.refuse(loggingKey, value, "a list of "+strings.Join(loggingComponents, ", ")+", each once")
		}
	}
	if len(components) > 0 && !slices.Contains(components, loggingComponents[0]) {
		r.refuse(loggingKey, value, "empty, or with SYSTEM_COMPONENTS, without which GKE logs nothing else")
	}
	return components
}

// checkNodeCounts compares the minimum and the maximum of autoscaling.
func (r *reader) checkNodeCounts(c Cluster) {
	const key = "grpc-edge:nodeCountMax"
	if most := c.NodeCountMax; most != 0 && most <= c.NodeCount && r.problems["grpc-edge:nodeCount"] == "" {
		r.report(key, "is %d; it must be 0, for always nodeCount nodes, or more than grpc-edge:nodeCount, %d", most, c.NodeCount)
	}
}
