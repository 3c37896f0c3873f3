package comment

import (
	"net/http/httptest"
	"strings"
	"testing"

	"example.com/grpc-edge/cmd/delivery/comment/githubtest"
)

func start(t *testing.T, f *githubtest.Server) *Repository {
	t.Helper()
	server := httptest.NewServer(f)
	t.Cleanup(server.Close)
	for _, variable := range githubtest.Environment(server.URL) {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	r, err := FromEnvironment()
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCommentIsUpdatedInPlace(t *testing.T) {
	f := &githubtest.Server{Comments: []githubtest.Comment{{ID: 1, Body: "a person's"}, {ID: 2, Body: "<!-- preview of prod -->\n1 to create"}}}
	r := start(t, f)
	for _, text := range []string{"<!-- preview of dev -->\n1 to create", "<!-- preview of dev -->\n2 to create", "<!-- preview of dev -->\n2 to create"} {
		if err := r.Comment(t.Context(), 7, text); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.Comments) != 3 || f.Comments[2].Body != "<!-- preview of dev -->\n2 to create" || f.Comments[1].Body != "<!-- preview of prod -->\n1 to create" {
		t.Errorf("got comments %+v", f.Comments)
	}
	if f.Writes != 2 {
		t.Errorf("%d writes, want 2: the same text again is none", f.Writes)
	}
}

func TestIssueIsOpenWhileItIsTrue(t *testing.T) {
	f := &githubtest.Server{Issues: []githubtest.Issue{{Number: 1, Title: "other", State: "open", Labels: []string{"drift"}}, {Number: 2, Title: "dev drifted", State: "closed", Labels: []string{"drift"}}}}
	r := start(t, f)
	for _, text := range []string{"one", "two", "two"} {
		if err := r.Open(t.Context(), "dev drifted", "drift", text); err != nil {
			t.Fatal(err)
		}
	}
	if len(f.Issues) != 3 || f.Issues[2].Body != "two" || f.Writes != 2 {
		t.Errorf("got issues %+v after %d writes, want a third with the newest text", f.Issues, f.Writes)
	}
	for range 2 {
		if err := r.Close(t.Context(), "dev drifted", "drift", "as it should be again"); err != nil {
			t.Fatal(err)
		}
	}
	if f.Issues[2].State != "closed" || f.Issues[0].State != "open" || len(f.Said) != 1 {
		t.Errorf("got issues %+v and comments %+v, want the one closed, and once said why", f.Issues, f.Said)
	}
}

func TestErrors(t *testing.T) {
	r := start(t, &githubtest.Server{Refuse: true})
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
