package gcp

import (
	"crypto/rand"
	"strings"
	"time"
)

// tokenLifetime is that of Google's access tokens ("Create short-lived
// credentials for a service account", IAM documentation).
const tokenLifetime = time.Hour

type accessToken struct {
	email   string
	expires time.Time
}

// Deployer is the account that owns a project and that Pulumi runs as.
func Deployer(project string) string { return "deployer@" + project + ".iam.gserviceaccount.com" }

// Token mints an access token of an account. It is opaque, valid for one hour,
// and forgotten when the process ends.
func (c *Cloud) Token(email string) string {
	c.mu.Lock()
	defer c.mu.Unlock()
	for secret, t := range c.tokens {
		if c.now().After(t.expires) {
			delete(c.tokens, secret)
		}
	}
	secret := "ya29." + rand.Text() + rand.Text() // Google's begin with ya29.
	c.tokens[secret] = accessToken{email, c.now().Add(tokenLifetime)}
	return secret
}

// Identity returns the account that an access token was minted for; ok is false
// if the token is unknown, expired, or its account was deleted or disabled.
func (c *Cloud) Identity(token string) (email string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t, ok := c.tokens[token]
	if !ok || c.now().After(t.expires) || !c.accountExists(t.email) {
		return "", false
	}
	return t.email, true
}

// accountExists tells whether a service account can be used. The deployer, and
// the accounts that Google makes for its services ("Service agents", IAM), are
// there without being created. c.mu must be held.
func (c *Cloud) accountExists(email string) bool {
	id, domain, _ := strings.Cut(email, "@")
	project, custom := strings.CutSuffix(domain, ".iam.gserviceaccount.com")
	if !custom || email == Deployer(project) {
		return custom || strings.HasSuffix(domain, "gserviceaccount.com")
	}
	if strings.HasPrefix(project, "gcp-sa-") || strings.HasPrefix(id, "service-") {
		return true
	}
	o, ok := c.objects["projects/"+project+"/serviceAccounts/"+email]
	return ok && o.made && !o.Config.boolean("disabled")
}
