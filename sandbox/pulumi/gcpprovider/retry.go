package gcpprovider

import (
	"context"
	"errors"
	"slices"
	"time"

	"example.com/grpc-edge/sandbox/gcp"
)

// retryable lists the answers that the Terraform provider retries (error_retry_predicates.go,
// isCommonRetryableErrorCode). Below are its total time and its first two waits. Each later wait is
// the sum of the two before it (retry_transport.go).
var retryable = []int{429, 500, 502, 503}

const (
	firstWait  = 500 * time.Millisecond
	retryLimit = 90 * time.Second
)

// retried retries a call until the answer is final, or for retryLimit.
func (p *provider) retried(ctx context.Context, call func() (gcp.Object, error)) (gcp.Object, error) {
	next, after, spent := firstWait, firstWait, time.Duration(0)
	for {
		o, err := call()
		var answer *gcp.Error
		if !errors.As(err, &answer) || !slices.Contains(retryable, answer.Code) || spent+next > retryLimit {
			return o, err
		}
		if waited := p.wait(ctx, next); waited != nil {
			return o, errors.Join(err, waited)
		}
		spent += next
		next, after = after, next+after
	}
}
