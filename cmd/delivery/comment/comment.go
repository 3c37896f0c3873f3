// Package comment writes to the repository's pull requests and issues: one comment
// that is updated in place, and one issue that stays open while the problem lasts.
package comment

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"

	"github.com/google/go-github/v84/github"
)

// Repository accesses a repository on GitHub.
type Repository struct {
	owner, name string
	client      *github.Client
}

// FromEnvironment returns the repository of the running job, from the variables that GitHub
// Actions sets (GITHUB_REPOSITORY, GITHUB_API_URL), and the job's GITHUB_TOKEN.
func FromEnvironment() (*Repository, error) {
	owner, name, ok := strings.Cut(os.Getenv("GITHUB_REPOSITORY"), "/")
	token := os.Getenv("GITHUB_TOKEN")
	if !ok || token == "" {
		return nil, errors.New("writing to GitHub needs GITHUB_REPOSITORY=owner/name and GITHUB_TOKEN; a workflow passes the token in `env`")
	}
	client := github.NewClient(http.DefaultClient).WithAuthToken(token)
	if api := os.Getenv("GITHUB_API_URL"); api != "" {
		base, err := client.BaseURL.Parse(strings.TrimSuffix(api, "/") + "/")
		if err != nil {
			return nil, fmt.Errorf("GITHUB_API_URL: %w", err)
		}
		client.BaseURL = base
	}
	return &Repository{owner: owner, name: name, client: client}, nil
}

// Comment writes text to a pull request. Its first line is the marker by which Comment
// finds an earlier comment and replaces it.
func (r *Repository) Comment(ctx context.Context, pullRequest int, text string) error {
	marker, _, _ := strings.Cut(text, "\n")
	for comment, err := range r.client.Issues.ListCommentsIter(ctx, r.owner, r.name, pullRequest, nil) {
		if err != nil {
			return r.failed("listing the comments of pull request #%d", pullRequest, err)
		}
		if !strings.HasPrefix(comment.GetBody(), marker) {
			continue
		}
		if comment.GetBody() == text {
			return nil
		}
		if _, _, err := r.client.Issues.EditComment(ctx, r.owner, r.name, comment.GetID(), &github.IssueComment{Body: &text}); err != nil {
			return r.failed("updating the comment in pull request #%d", pullRequest, err)
		}
		return nil
	}
	if _, _, err := r.client.Issues.CreateComment(ctx, r.owner, r.name, pullRequest, &github.IssueComment{Body: &text}); err != nil {
		return r.failed("commenting on pull request #%d", pullRequest, err)
	}
	return nil
}

// Open creates an issue with a title, or updates the text of the one that is open.
func (r *Repository) Open(ctx context.Context, title, label, text string) error {
	open, err := r.find(ctx, title, label)
	if err != nil {
		return err
	}
	if open == nil {
		_, _, err = r.client.Issues.Create(ctx, r.owner, r.name, &github.IssueRequest{Title: &title, Body: &text, Labels: &[]string{label}})
	} else if open.GetBody() != text {
		_, _, err = r.client.Issues.Edit(ctx, r.owner, r.name, open.GetNumber(), &github.IssueRequest{Body: &text})
	}
	if err != nil {
		return r.failed("writing issue %q", title, err)
	}
	return nil
}

// Close closes the issue with a title, if one is open, and says why.
func (r *Repository) Close(ctx context.Context, title, label, why string) error {
	open, err := r.find(ctx, title, label)
	if err != nil || open == nil {
		return err
	}
	if _, _, err := r.client.Issues.CreateComment(ctx, r.owner, r.name, open.GetNumber(), &github.IssueComment{Body: &why}); err != nil {
		return r.failed("commenting on issue %q", title, err)
	}
	closed := "closed"
	if _, _, err := r.client.Issues.Edit(ctx, r.owner, r.name, open.GetNumber(), &github.IssueRequest{State: &closed}); err != nil {
		return r.failed("closing issue %q", title, err)
	}
	return nil
}

func (r *Repository) find(ctx context.Context, title, label string) (*github.Issue, error) {
	for issue, err := range r.client.Issues.ListByRepoIter(ctx, r.owner, r.name, &github.IssueListByRepoOptions{State: "open", Labels: []string{label}}) {
		if err != nil {
			return nil, r.failed("looking for issue %q", title, err)
		}
		if issue.GetTitle() == title {
			return issue, nil
		}
	}
	return nil, nil
}

// failed returns an error about what failed, and what a job lacks when GitHub forbids it.
func (r *Repository) failed(what string, about any, err error) error {
	what = fmt.Sprintf(what, about)
	var refused *github.ErrorResponse
	if errors.As(err, &refused) && (refused.Response.StatusCode == http.StatusForbidden || refused.Response.StatusCode == http.StatusNotFound) {
		return fmt.Errorf("%s of %s/%s: %w; the job needs the permissions `pull-requests: write` and `issues: write`", what, r.owner, r.name, err)
	}
	return fmt.Errorf("%s of %s/%s: %w", what, r.owner, r.name, err)
}
