package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/google/go-containerregistry/pkg/v1/remote/transport"
)

// retries span 15 seconds, enough for a new registry to begin to answer and for a busy one
// to recover. Other errors, such as a missing permission, are not retried.
var (
	retries        = remote.Backoff{Duration: time.Second, Factor: 2, Jitter: 0.1, Steps: 5}
	retriedAnswers = []int{
		http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	}
)

// Push uploads the image if the registry lacks it, and reports whether it did. The
// reference is REPOSITORY@DIGEST. A transient error is retried.
func (b *Built) Push(ctx context.Context, reference, token string) (bool, error) {
	destination, err := name.NewDigest(reference)
	if err != nil {
		return false, fmt.Errorf("reading the image reference %q: %w", reference, err)
	}
	return send(destination, b.Image, access(ctx, token))
}

// Describe attaches the list of modules and the provenance to an image in the registry,
// unless they are there. Pods run without them, so a caller may continue after an error.
func (b *Built) Describe(ctx context.Context, reference, token string) error {
	attachments, err := attach(b)
	if err != nil {
		return err
	}
	return describe(ctx, reference, token, attachments)
}

// describe pushes the attachments in order. If the last one is there, all are.
func describe(ctx context.Context, reference, token string, attachments []v1.Image) error {
	image, err := name.NewDigest(reference)
	if err != nil {
		return fmt.Errorf("reading the image reference %q: %w", reference, err)
	}
	options := access(ctx, token)
	described, err := has(image, attachments[len(attachments)-1], options)
	if err != nil || described {
		return err
	}
	for _, attachment := range attachments {
		digest, err := attachment.Digest()
		if err != nil {
			return err
		}
		if _, err := send(image.Context().Digest(digest.String()), attachment, options); err != nil {
			return err
		}
	}
	return nil
}

// access returns the options for requests to the registry with an access token.
func access(ctx context.Context, token string) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx),
		// The user name that goes with an access token (Artifact Registry,
		// "Configure authentication to Artifact Registry for Docker").
		remote.WithAuth(&authn.Basic{Username: "oauth2accesstoken", Password: token}),
		remote.WithRetryBackoff(retries),
		remote.WithRetryStatusCodes(retriedAnswers...),
		// Artifact Registry lists the attachments of an image. The tag that replaces the
		// list in other registries would have to move, and tags here are immutable.
		remote.WithReferrersTagFallback(false),
	}
}

// has reports whether the registry has an attachment.
func has(of name.Digest, attachment v1.Image, options []remote.Option) (bool, error) {
	digest, err := attachment.Digest()
	if err != nil {
		return false, err
	}
	_, err = remote.Head(of.Context().Digest(digest.String()), options...)
	if err != nil && !is(err, http.StatusNotFound) {
		return false, explain(of.String(), err)
	}
	return err == nil, nil
}

// send uploads an image if the registry lacks it, and reports whether it did.
func send(destination name.Digest, image v1.Image, options []remote.Option) (bool, error) {
	_, err := remote.Head(destination, options...)
	if err == nil {
		return false, nil
	}
	if !is(err, http.StatusNotFound) {
		return false, explain(destination.String(), err)
	}
	if err := remote.Write(destination, image, options...); err != nil {
		return false, explain(destination.String(), err)
	}
	return true, nil
}

func is(err error, statuses ...int) bool {
	var answer *transport.Error
	if !errors.As(err, &answer) {
		return false
	}
	for _, status := range statuses {
		if answer.StatusCode == status {
			return true
		}
	}
	return false
}

func explain(reference string, err error) error {
	if is(err, http.StatusUnauthorized, http.StatusForbidden) {
		return fmt.Errorf("pushing %s: the identity that runs Pulumi needs roles/artifactregistry.writer on the repository: %w", reference, err)
	}
	return fmt.Errorf("pushing %s: %w", reference, err)
}
