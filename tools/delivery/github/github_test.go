package github

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

type comment struct {
	ID   int64  `json:"id"`
	Body string `json:"body"`
}

type issue struct {
	Number int      `json:"number"`
	Title  string   `json:"title"`
	Body   string   `json:"body"`
	State  string   `json:"state"`
	Labels []string `json:"-"`
}

// fake plays the part of GitHub's REST API that is used: comments of pull request 7
// and issues, in pages of one.
type fake struct {
	comments []comment
	issues   []issue
	writes   int
	refuse   bool
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Body, Title, State *string
		Labels             []string
	}
	_ = json.NewDecoder(r.Body).Decode(&body)
	if r.Method != http.MethodGet {
		f.writes++
	}
	var number int
	path := strings.TrimPrefix(r.URL.Path, "/repos/shop/edge/issues")
	switch _, _ = fmt.Sscanf(path, "/comments/%d", &number); {
	case f.refuse || r.Header.Get("Authorization") != "Bearer secret":
		http.Error(w, `{"message":"Resource not accessible by integration"}`, http.StatusForbidden)
	case r.Method == http.MethodGet && path == "/7/comments":
		page(w, r, f.comments)
	case r.Method == http.MethodPost && strings.HasSuffix(path, "/comments"):
		f.comments = append(f.comments, comment{int64(len(f.comments) + 1), *body.Body})
		answer(w, f.comments[len(f.comments)-1])
	case r.Method == http.MethodPatch && number > 0:
		f.comments[number-1].Body = *body.Body
		answer(w, f.comments[number-1])
	case r.Method == http.MethodGet && path == "":
		var open []issue
		for _, i := range f.issues {
			if i.State == "open" && strings.Contains(strings.Join(i.Labels, ","), r.URL.Query().Get("labels")) {
				open = append(open, i)
			}
		}
		page(w, r, open)
	case r.Method == http.MethodPost && path == "":
		f.issues = append(f.issues, issue{Number: len(f.issues) + 1, Title: *body.Title, Body: *body.Body, State: "open", Labels: body.Labels})
		answer(w, f.issues[len(f.issues)-1])
	case r.Method == http.MethodPatch:
		_, _ = fmt.Sscanf(path, "/%d", &number)
		i := &f.issues[number-1]
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

func start(t *testing.T, f *fake) *Repository {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	t.Setenv("GITHUB_API_URL", server.URL)
	t.Setenv("GITHUB_REPOSITORY", "shop/edge")
	t.Setenv("GITHUB_TOKEN", "secret")
	r, err := FromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCommentIsUpdatedInPlace(t *testing.T) {
	f := &fake{comments: []comment{{1, "a person's"}, {2, "<!-- preview of prod -->\n1 to create"}}}
	r := start(t, f)
	for _, text := range []string{"<!-- preview of dev -->\n1 to create", "<!-- preview of dev -->\n2 to create", "<!-- preview of dev -->\n2 to create"} {
		if err := r.Comment(t.Context(), 7, text); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.comments) != 3 || f.comments[2].Body != "<!-- preview of dev -->\n2 to create" || f.comments[1].Body != "<!-- preview of prod -->\n1 to create" {
		t.Errorf("got comments %+v", f.comments)
	}
	if f.writes != 2 {
		t.Errorf("%d writes, want 2: the same text again is none", f.writes)
	}
}

func TestIssueIsOpenWhileItIsTrue(t *testing.T) {
	f := &fake{issues: []issue{{Number: 1, Title: "other", State: "open", Labels: []string{"drift"}}, {Number: 2, Title: "dev drifted", State: "closed", Labels: []string{"drift"}}}}
	r := start(t, f)
	for _, text := range []string{"one", "two", "two"} {
		if err := r.Open(t.Context(), "dev drifted", "drift", text); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.issues) != 3 || f.issues[2].Body != "two" || f.writes != 2 {
		t.Errorf("got issues %+v after %d writes, want a third with the newest text", f.issues, f.writes)
	}
	for range 2 {
		if err := r.Close(t.Context(), "dev drifted", "drift", "as it should be again"); err != nil {
			t.Fatal(err)
		}
	}
	if f.issues[2].State != "closed" || f.issues[0].State != "open" || len(f.comments) != 1 {
		t.Errorf("got issues %+v and comments %+v, want the one closed, and once said why", f.issues, f.comments)
	}
}

func TestErrors(t *testing.T) {
	r := start(t, &fake{refuse: true})
	for name, err := range map[string]error{
		"comment": r.Comment(t.Context(), 7, "text"),
		"open":    r.Open(t.Context(), "title", "drift", "text"),
		"close":   r.Close(t.Context(), "title", "drift", "text"),
	} {
		if err == nil || !strings.Contains(err.Error(), "shop/edge") || !strings.Contains(err.Error(), "issues: write") {
			t.Errorf("%s: got %v, want the repository and the missing permission", name, err)
		}
	}
	t.Setenv("GITHUB_TOKEN", "")
	if _, err := FromEnvironment(); err == nil || !strings.Contains(err.Error(), "GITHUB_TOKEN") {
		t.Errorf("got %v, want what is missing", err)
	}
}
