package image

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
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
	options := []remote.Option{
		remote.WithContext(ctx),
		// The user name that goes with an access token (Artifact Registry,
		// "Configure authentication to Artifact Registry for Docker").
		remote.WithAuth(&authn.Basic{Username: "oauth2accesstoken", Password: token}),
		remote.WithRetryBackoff(retries),
		remote.WithRetryStatusCodes(retriedAnswers...),
	}
	_, err = remote.Head(destination, options...)
	if err == nil {
		return false, nil
	}
	if !is(err, http.StatusNotFound) {
		return false, explain(reference, err)
	}
	if err := remote.Write(destination, b.Image, options...); err != nil {
		return false, explain(reference, err)
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
