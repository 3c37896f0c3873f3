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

// retries cover 15 seconds, in which a registry that was just created begins to
// answer, and one that is busy recovers. Other answers, such as a missing right,
// would be the same again.
var (
	retries        = remote.Backoff{Duration: time.Second, Factor: 2, Jitter: 0.1, Steps: 5}
	retriedAnswers = []int{
		http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout,
	}
)

// Push sends what the registry lacks of the image, and reports whether it lacked
// anything. The reference is REPOSITORY@DIGEST. A transient error is tried again.
func (b *Built) Push(ctx context.Context, reference, token string) (bool, error) {
	destination, err := name.NewDigest(reference)
	if err != nil {
		return false, fmt.Errorf("reading the image reference %q: %w", reference, err)
	}
	return send(destination, b.Image, access(ctx, token))
}

// Describe attaches to an image in the registry what it is made of and from, unless
// that is there. Pods run without it, so that a caller may go on after an error.
func (b *Built) Describe(ctx context.Context, reference, token string) error {
	attachments, err := attach(ctx, b)
	if err != nil {
		return err
	}
	return describe(ctx, reference, token, attachments)
}

// describe pushes the last attachment last: it is there only if all are.
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

// access is how the registry is spoken to with an access token.
func access(ctx context.Context, token string) []remote.Option {
	return []remote.Option{
		remote.WithContext(ctx),
		// The user name that goes with an access token (Artifact Registry,
		// "Configure authentication to Artifact Registry for Docker").
		remote.WithAuth(&authn.Basic{Username: "oauth2accesstoken", Password: token}),
		remote.WithRetryBackoff(retries),
		remote.WithRetryStatusCodes(retriedAnswers...),
		// Artifact Registry lists what is attached to an image. The tag that takes the place
		// of that elsewhere would have to move, and tags here are immutable.
		remote.WithReferrersTagFallback(false),
	}
}

// has tells whether the registry has an attachment.
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

// send writes an image that is not there, and reports whether it was not.
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
