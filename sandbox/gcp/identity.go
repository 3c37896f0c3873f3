package gcp

import (
	"crypto/rand"
	"fmt"
	"strings"
	"time"
)

// tokenLifetime is the lifetime of Google's access tokens ("Create short-lived credentials for a
// service account", IAM documentation).
const tokenLifetime = time.Hour

type accessToken struct {
	identity string
	expires  time.Time
}

// Deployer returns the account that owns a project and that Pulumi runs as.
func Deployer(project string) string { return "deployer@" + project + ".iam.gserviceaccount.com" }

// WorkloadPrincipal returns the identity of the pods that run as a Kubernetes service
// account, with no Google account in between ("Workload Identity Federation for GKE":
// principal identifiers).
func WorkloadPrincipal(project, namespace, account string) string {
	return fmt.Sprintf("%sprojects/%s/locations/global/workloadIdentityPools/%s.svc.id.goog/subject/ns/%s/sa/%s",
		principalPrefix, ProjectNumber(project), project, namespace, account)
}

const principalPrefix = "principal://iam.googleapis.com/"

// MemberOf returns an identity as policies name it: a federated one in full, and a service
// account by its email.
func MemberOf(identity string) string {
	if strings.HasPrefix(identity, principalPrefix) {
		return identity
	}
	return "serviceAccount:" + identity
}

// Token mints an access token of an identity: the email of a service account, or a
// [WorkloadPrincipal]. It is opaque, valid for one hour, and forgotten when the process
// ends.
func (c *Cloud) Token(identity string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for secret, t := range c.tokens {
		if c.now().After(t.expires) {
			delete(c.tokens, secret)
		}
	}
	secret := "ya29." + rand.Text() + rand.Text() // Google's begin with ya29.
	c.tokens[secret] = accessToken{identity, c.now().Add(tokenLifetime)}
	return secret
}

// Identity returns the identity that an access token was minted for. ok is false if the
// token is unknown or expired, or its account was deleted or disabled.
func (c *Cloud) Identity(token string) (identity string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, ok := c.tokens[token]
	if !ok || c.now().After(t.expires) || !(View{c}).identityExists(t.identity) {
		return "", false
	}
	return t.identity, true
}

// identityExists reports whether an identity can call. Google does not keep the identity
// of a Kubernetes service account: it exists as long as its tokens do.
func (v View) identityExists(identity string) bool {
	return strings.HasPrefix(identity, principalPrefix) || v.AccountExists(identity)
}

// AccountExists reports whether a service account can be used. The deployer, and the accounts
// that Google makes for its services ("Service agents", IAM), exist without being created.
func (v View) AccountExists(email string) bool {
	id, domain, _ := strings.Cut(email, "@")
	project, custom := strings.CutSuffix(domain, ".iam.gserviceaccount.com")
	if !custom || email == Deployer(project) {
		return custom || strings.HasSuffix(domain, "gserviceaccount.com")
	}
	if strings.HasPrefix(project, "gcp-sa-") || strings.HasPrefix(id, "service-") {
		return true
	}
	o, ok := v.Object("projects/" + project + "/serviceAccounts/" + email)
	return ok && o.Made() && !o.Config.Bool("disabled")
}

// Agents maps services to the domains of their service agents ("Service agents", IAM).
var Agents = map[string]string{
	"artifactregistry.googleapis.com": "gcp-sa-artifactregistry",
	"container.googleapis.com":        "container-engine-robot",
}
