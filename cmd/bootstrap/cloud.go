package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"google.golang.org/api/cloudkms/v1"
	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
	"google.golang.org/api/serviceusage/v1"
	"google.golang.org/api/storage/v1"

	"example.com/grpc-edge/internal/wait"
)

// cloud calls Google Cloud.
type cloud struct {
	projectName string
	services    *serviceusage.Service
	buckets     *storage.BucketsService
	rings       *cloudkms.ProjectsLocationsKeyRingsService
	keys        *cloudkms.ProjectsLocationsKeyRingsCryptoKeysService
	wait        func(context.Context, time.Duration) error
	progress    io.Writer // is told of long waits
	enabledNow  bool      // some API was enabled in this run
}

// newCloud creates clients whose calls count towards the project's own quota. With a
// user's credentials they would otherwise count towards another project, in which the
// APIs may be off ("Set the quota project using the REST API").
func newCloud(ctx context.Context, project string, progress io.Writer, opts ...option.ClientOption) (*cloud, error) {
	opts = append(opts, option.WithQuotaProject(project))
	services, err1 := serviceusage.NewService(ctx, opts...)
	buckets, err2 := storage.NewService(ctx, opts...)
	keys, err3 := cloudkms.NewService(ctx, opts...)
	if err := errors.Join(err1, err2, err3); err != nil {
		return nil, fmt.Errorf("creating clients of Google Cloud: %w", err)
	}
	rings := keys.Projects.Locations.KeyRings
	return &cloud{projectName: project, services: services, buckets: buckets.Buckets, rings: rings, keys: rings.CryptoKeys, wait: wait.For, progress: progress}, nil
}

const (
	pause = 5 * time.Second
	// busyTries is the number of tries while Google is busy (429) or unavailable (503).
	busyTries = 6
	// freshTries is the number of tries while an API that was just enabled is still
	// refused. Google's error asks to wait "a few minutes".
	freshTries = 60
)

// call does one call, and retries it while it may still succeed. The error describes what
// was being done, and names the role that is needed if that was not allowed.
func (c *cloud) call(ctx context.Context, doing, role string, do func() error) error {
	for try := 1; ; try++ {
		err := do()
		var refused *googleapi.Error
		switch {
		case err == nil:
			return nil
		case !errors.As(err, &refused):
			return fmt.Errorf("%s: %w", doing, err)
		case c.enabledNow && try < freshTries && because(refused, apiOff...):
			if try == 1 {
				fmt.Fprintln(c.progress, "  waiting until what was enabled can be used, which takes up to some minutes")
			}
		case try < busyTries && (refused.Code == http.StatusTooManyRequests || refused.Code == http.StatusServiceUnavailable):
		default:
			return &failure{doing: doing, hint: c.hint(refused, role), refused: refused}
		}
		if err := c.wait(ctx, pause); err != nil {
			return fmt.Errorf("%s: %w", doing, err)
		}
	}
}

// failure is the error of a call that Google refused.
type failure struct {
	doing, hint string
	refused     *googleapi.Error
}

func (f *failure) Error() string {
	message := f.refused.Message
	if message == "" {
		message = f.refused.Error()
	}
	return fmt.Sprintf("%s: Google answers %d: %s%s", f.doing, f.refused.Code, strings.TrimSpace(message), f.hint)
}

func (f *failure) Unwrap() error { return f.refused }

// The reasons that Google gives in its errors (google.api.ErrorReason, and for Cloud
// Storage "HTTP status and error codes for JSON").
var (
	apiOff    = []string{"SERVICE_DISABLED", "accessNotConfigured"}
	noProject = []string{"USER_PROJECT_DENIED", "CONSUMER_INVALID"}
	noBilling = []string{"UREQ_PROJECT_BILLING_NOT_FOUND", "BILLING_DISABLED", "accountDisabled"}
)

// hint returns the remedy for a refused call, or "".
func (c *cloud) hint(refused *googleapi.Error, role string) string {
	switch {
	case because(refused, noBilling...):
		return fmt.Sprintf("\nLink a billing account (`gcloud billing accounts list`): gcloud billing projects link %s --billing-account ACCOUNT", c.projectName)
	case because(refused, apiOff...):
		return fmt.Sprintf("\nAn API that was just enabled takes some minutes until it works everywhere. Service Usage, which enables the others, is itself enabled by: gcloud services enable serviceusage.googleapis.com --project %s", c.projectName)
	case because(refused, noProject...):
		return fmt.Sprintf("\nThe project %q does not exist, or you may not use it. `gcloud projects list` shows yours; to use one takes the role roles/serviceusage.serviceUsageConsumer on it. `gcloud projects create` makes one.", c.projectName)
	case strings.Contains(refused.Message+refused.Body, "constraints/"):
		return fmt.Sprintf("\nA policy of your organization forbids it, by the constraint that Google names. `gcloud org-policies describe CONSTRAINT --project %s --effective` shows what it allows: change gcp:region in the stack's file to that, or ask who has the role roles/orgpolicy.policyAdmin.", c.projectName)
	case refused.Code == http.StatusForbidden:
		return fmt.Sprintf("\nWhoever runs this needs the role %s on the project %s, or roles/owner.", role, c.projectName)
	}
	return ""
}

// because reports whether one of the reasons is among Google's.
func because(refused *googleapi.Error, reasons ...string) bool {
	for _, item := range refused.Errors {
		if slices.Contains(reasons, item.Reason) {
			return true
		}
	}
	for _, detail := range refused.Details {
		if info, ok := detail.(map[string]any); ok {
			if reason, ok := info["reason"].(string); ok && slices.Contains(reasons, reason) {
				return true
			}
		}
	}
	return false
}

// explained reports whether Google names a cause that is not about one resource.
func explained(err error) bool {
	var refused *googleapi.Error
	return errors.As(err, &refused) && because(refused, slices.Concat(apiOff, noProject, noBilling)...)
}

func answered(err error, code int) bool {
	var refused *googleapi.Error
	return errors.As(err, &refused) && refused.Code == code
}
