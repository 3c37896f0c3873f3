// Package githubtest fakes the part of GitHub's REST API that jobs use.
package githubtest

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
)

// Comment describes a comment on a pull request or an issue.
type Comment struct {
	ID   int64  `json:"id"`
	Body string `json:"body"`
}

// Issue describes an issue of the repository.
type Issue struct {
	Number int      `json:"number"`
	Title  string   `json:"title"`
	Body   string   `json:"body"`
	State  string   `json:"state"`
	Labels []string `json:"-"`
}

// Token is the token that the server accepts.
const Token = "secret"

// Server serves the comments of pull request 7 of the repository shop/edge, its issues
// and the comments on them, one per page.
type Server struct {
	Comments []Comment
	Issues   []Issue
	Said     []Comment
	// Writes counts the calls that change something.
	Writes int
	// Refuse answers every call as GitHub does to a job without permissions.
	Refuse bool
}

// Environment returns the environment of a job for a server at the URL.
func Environment(url string) []string {
	return []string{"GITHUB_API_URL=" + url, "GITHUB_REPOSITORY=shop/edge", "GITHUB_TOKEN=" + Token}
}

// ServeHTTP answers a call.
func (f *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Body, Title, State *string
		Labels             []string
	}
	_ = json.NewDecoder(r.Body).Decode(&body)
	if r.Method != http.MethodGet {
		f.Writes++
	}
	var number int
	path := strings.TrimPrefix(r.URL.Path, "/repos/shop/edge/issues")
	switch _, _ = fmt.Sscanf(path, "/comments/%d", &number); {
	case f.Refuse || r.Header.Get("Authorization") != "Bearer "+Token:
		http.Error(w, `{"message":"Resource not accessible by integration"}`, http.StatusForbidden)
	case r.Method == http.MethodGet && path == "/7/comments":
		page(w, r, f.Comments)
	case r.Method == http.MethodPost && strings.HasSuffix(path, "/comments") && path != "/7/comments":
		f.Said = append(f.Said, Comment{int64(len(f.Said) + 1), *body.Body})
		answer(w, f.Said[len(f.Said)-1])
	case r.Method == http.MethodPost && path == "/7/comments":
		f.Comments = append(f.Comments, Comment{int64(len(f.Comments) + 1), *body.Body})
		answer(w, f.Comments[len(f.Comments)-1])
	case r.Method == http.MethodPatch && number > 0:
		f.Comments[number-1].Body = *body.Body
		answer(w, f.Comments[number-1])
	case r.Method == http.MethodGet && path == "":
		var open []Issue
		for _, i := range f.Issues {
			if i.State == "open" && strings.Contains(strings.Join(i.Labels, ","), r.URL.Query().Get("labels")) {
				open = append(open, i)
			}
		}
		page(w, r, open)
	case r.Method == http.MethodPost && path == "":
		f.Issues = append(f.Issues, Issue{Number: len(f.Issues) + 1, Title: *body.Title, Body: *body.Body, State: "open", Labels: body.Labels})
		answer(w, f.Issues[len(f.Issues)-1])
	case r.Method == http.MethodPatch:
		_, _ = fmt.Sscanf(path, "/%d", &number)
		i := &f.Issues[number-1]
		if body.Body != nil {
			i.Body = *body.Body
		}
		if body.State != nil {
			i.State = *body.State
		}
		answer(w, *i)
	default:
		http.Error(w, `{"message":"Not Found"}`, http.StatusNotFound)
	}
}

func answer(w http.ResponseWriter, value any) { _ = json.NewEncoder(w).Encode(value) }

func page[T any](w http.ResponseWriter, r *http.Request, all []T) {
	at := 1
	_, _ = fmt.Sscan(r.URL.Query().Get("page"), &at)
	if at < len(all) {
		w.Header().Set("Link", fmt.Sprintf(`<http://%s%s?page=%d>; rel="next"`, r.Host, r.URL.Path, at+1))
	}
	answer(w, all[min(at-1, len(all)):min(at, len(all))])
}
