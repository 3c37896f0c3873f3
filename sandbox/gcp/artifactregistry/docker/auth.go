package docker

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"time"
)

// TokenUser is the user name that goes with an access token as the password
// ("Configure authentication to Artifact Registry for Docker").
const TokenUser = "oauth2accesstoken"

// tokenLifetime is the lifetime that the token endpoint promises: the lifetime of an access
// token ("Create short-lived credentials for a service account", IAM documentation).
const tokenLifetime = time.Hour

// caller returns who sends the request: an account, or "" for a request without
// credentials. It answers requests with wrong credentials itself.
func (e *endpoint) caller(w http.ResponseWriter, r *http.Request) (email string, ok bool) {
	header := r.Header.Get("Authorization")
	if header == "" {
		return "", true
	}
	secret, isBearer := strings.CutPrefix(header, "Bearer ")
	if user, password, isBasic := r.BasicAuth(); isBasic && user == TokenUser {
		secret = password
	} else if !isBearer {
		unauthorized(w, r, fmt.Sprintf("sign in as user %q with an access token as the password", TokenUser))
		return "", false
	}
	if email, ok = e.repositories.Identity(secret); !ok {
		unauthorized(w, r, "the access token is unknown or has expired")
	}
	return email, ok
}

// token serves the endpoint of the "Docker Registry v2 authentication via central service" flow.
// Google's tokens work in both places, so it returns the access token it was given. Clients send
// credentials either as Basic authentication of a GET or as the form of a POST ("Authenticate to
// a registry using OAuth2", distribution specification), as containerd does.
func (e *endpoint) token(w http.ResponseWriter, r *http.Request, location string) {
	if err := r.ParseForm(); err != nil {
		fail(w, http.StatusBadRequest, "UNSUPPORTED", err.Error())
		return
	}
	if r.Method == http.MethodPost {
		r.SetBasicAuth(r.PostForm.Get("username"), r.PostForm.Get("password"))
	}
	email, ok := e.caller(w, r)
	if !ok {
		return
	}
	for _, scope := range r.Form["scope"] {
		for _, part := range strings.Fields(scope) {
			if permission, repository, ok := e.refused(email, location, part); ok {
				denied(w, permission, repository)
				return
			}
		}
	}
	secret := strings.TrimPrefix(r.Header.Get("Authorization"), "Bearer ")
	if _, password, ok := r.BasicAuth(); ok {
		secret = password
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(map[string]any{
		"token": secret, "access_token": secret, "expires_in": int(tokenLifetime.Seconds()),
	})
}

// refused returns the first permission of a scope, repository:<name>:<actions>,
// that the account does not have.
func (e *endpoint) refused(email, location, scope string) (permission, repository string, ok bool) {
	parts := strings.Split(scope, ":")
	if len(parts) != 3 || parts[0] != "repository" {
		return "", "", false
	}
	path := strings.Split(parts[1], "/")
	if len(path) < 3 {
		return "", "", false
	}
	repository = repositoryName(path[0], location, path[1])
	methods := map[string]string{"pull": http.MethodGet, "push": http.MethodPut, "delete": http.MethodDelete}
	for _, action := range strings.Split(parts[2], ",") {
		permission = permissionFor(methods[action])
		if methods[action] != "" && !e.repositories.Allowed(email, permission, repository) {
			return permission, repository, true
		}
	}
	return "", "", false
}

func challenge(w http.ResponseWriter, r *http.Request) {
	unauthorized(w, r, "Unauthenticated request. Unauthenticated requests do not have permission on this resource")
}

func unauthorized(w http.ResponseWriter, r *http.Request, message string) {
	scheme := "https"
	if r.TLS == nil {
		scheme = "http"
	}
	w.Header().Set("WWW-Authenticate", fmt.Sprintf("Bearer realm=\"%s://%s/v2/token\",service=%q",
		scheme, r.Host, r.Host))
	fail(w, http.StatusUnauthorized, "UNAUTHORIZED", message)
}
