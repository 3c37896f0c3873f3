package credentialplugin

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/netip"
	"strings"
)

// Caller describes who asks the metadata server.
type Caller struct {
	// Project is its project's ID, and ProjectNumber its number.
	Project, ProjectNumber string
	// Identity is the identity that tokens are minted for.
	Identity string
	// Email is the account's name. For a pod with its own identity it is the pool's name,
	// PROJECT.svc.id.goog.
	Email string
}

// accountPath is the metadata server's path of the caller's accounts ("Predefined metadata
// keys", Compute Engine).
const accountPath = "/computeMetadata/v1/instance/service-accounts/"

// scopes lists the scopes of GKE's tokens; IAM decides what they allow.
var scopes = []string{"https://www.googleapis.com/auth/cloud-platform", "https://www.googleapis.com/auth/userinfo.email"}

// metadataServer answers for the address that a request comes from.
type metadataServer struct {
	identify func(ctx context.Context, from netip.Addr) (Caller, error)
	mint     func(identity string) string
}

// Metadata returns the metadata server as Google's libraries use it: the caller's account, its
// tokens, and its project ("About the GKE metadata server"). identify returns the caller by its
// address, or an error for an unknown one.
func Metadata(identify func(context.Context, netip.Addr) (Caller, error), mint func(identity string) string) http.Handler {
	m, mux := metadataServer{identify, mint}, http.NewServeMux()
	for path, write := range map[string]func(http.ResponseWriter, *http.Request, Caller){
		"/{$}":                                   text(func(Caller) string { return "computeMetadata/\n" }),
		"/computeMetadata/v1/project/project-id": text(func(c Caller) string { return c.Project }),
		"/computeMetadata/v1/project/numeric-project-id": text(func(c Caller) string { return c.ProjectNumber }),
		accountPath:                      text(func(c Caller) string { return "default/\n" + c.Email + "/\n" }),
		accountPath + "{account}/":       account,
		accountPath + "{account}/email":  text(func(c Caller) string { return c.Email }),
		accountPath + "{account}/scopes": text(func(Caller) string { return strings.Join(scopes, "\n") + "\n" }),
		accountPath + "{account}/token": func(w http.ResponseWriter, _ *http.Request, c Caller) {
			writeJSON(w, token{AccessToken: m.mint(c.Identity), ExpiresIn: int(lifetime.Seconds()), TokenType: "Bearer"})
		},
		accountPath + "{account}/identity": identityToken,
	} {
		mux.HandleFunc("GET "+path, m.guarded(write))
	}
	return mux
}

// guarded requires the header that a forged request of a browser does not have, and a caller
// that asks about itself.
func (m metadataServer) guarded(write func(http.ResponseWriter, *http.Request, Caller)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Metadata-Flavor", "Google")
		if r.Header.Get("Metadata-Flavor") != "Google" {
			http.Error(w, "Missing Metadata-Flavor:Google header.", http.StatusForbidden)
			return
		}
		from, err := netip.ParseAddrPort(r.RemoteAddr)
		if err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
		caller, err := m.identify(r.Context(), from.Addr().Unmap())
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
			return
		}
		if name := r.PathValue("account"); name != "" && name != "default" && name != caller.Email {
			http.Error(w, fmt.Sprintf("the account %q is not that of %s", name, from.Addr()), http.StatusNotFound)
			return
		}
		write(w, r, caller)
	}
}

func text(of func(Caller) string) func(http.ResponseWriter, *http.Request, Caller) {
	return func(w http.ResponseWriter, _ *http.Request, c Caller) {
		w.Header().Set("Content-Type", "application/text")
		_, _ = w.Write([]byte(of(c)))
	}
}

// account describes an account: all of it with ?recursive=true, as Python's library asks.
func account(w http.ResponseWriter, r *http.Request, c Caller) {
	if r.URL.Query().Get("recursive") != "true" {
		text(func(Caller) string { return "aliases\nemail\nidentity\nscopes\ntoken\n" })(w, r, c)
		return
	}
	writeJSON(w, map[string]any{"aliases": []string{"default"}, "email": c.Email, "scopes": scopes})
}

// identityToken refuses every request. It needs the key of a Google service account, which
// neither a pod here nor an emulated node has.
func identityToken(w http.ResponseWriter, _ *http.Request, _ Caller) {
	http.Error(w, "Your Kubernetes service account is not annotated with a target Google service account, which is a "+
		"requirement for retrieving Identity Tokens using Workload Identity; the sandbox emulates no identity tokens.", http.StatusNotFound)
}

func writeJSON(w http.ResponseWriter, body any) {
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(body) // a client that has gone needs no answer
}
