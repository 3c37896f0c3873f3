package project

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/organizations"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"
)

const (
	// knownWait is the time between two requests to an API. knownTries is the largest
	// number of requests. Together they span 5 minutes, as Google's message says "wait a
	// few minutes".
	knownWait  = 5 * time.Second
	knownTries = 60
)

// probes maps each API that must know the project before its resources are created to a
// read method. The answer does not matter: even a refusal for a missing permission comes
// only from an API that knows the project.
var probes = map[string]string{
	"artifactregistry.googleapis.com": "v1/projects/%s/locations",
	"compute.googleapis.com":          "compute/v1/projects/%s",
	"container.googleapis.com":        "v1/projects/%s/locations/-/clusters",
	"iam.googleapis.com":              "v1/projects/%s/roles?pageSize=1",
	"monitoring.googleapis.com":       "v1/projects/%s/dashboards?pageSize=1",
	resourceManager:                   "v1/projects/%s",
}

// ready returns an option for resources that need the APIs. In an update it waits until
// they are usable, which takes minutes after they were enabled. The gcp provider does not
// retry a request that is refused for this reason (its error_retry_predicates.go).
func (p *Project) ready(ctx *pulumi.Context, projectID string) pulumi.ResourceOption {
	if ctx.DryRun() {
		return pulumi.DependsOn(p.APIs)
	}
	ids := make([]any, 0, len(p.APIs)+1)
	for _, api := range p.APIs {
		ids = append(ids, api.(pulumi.CustomResource).ID())
	}
	client := organizations.GetClientConfigOutput(ctx, pulumi.Parent(p))
	known := pulumi.All(append(ids, client.AccessToken())...).ApplyTWithContext(ctx.Context(),
		func(background context.Context, values []any) []pulumi.Resource {
			if token, isText := values[len(values)-1].(string); isText {
				waitKnown(background, projectID, token, knownWait)
			}
			return p.APIs
		}).(pulumi.ResourceArrayOutput)
	return pulumi.DependsOnInputs(known)
}

// waitKnown waits until no API answers that it is disabled, or until knownTries are used
// up. Then the first resource of the API reports what is wrong.
func waitKnown(ctx context.Context, projectID, token string, wait time.Duration) {
	var all sync.WaitGroup
	for api, method := range probes {
		url := "https://" + api + "/" + fmt.Sprintf(method, projectID)
		all.Go(func() {
			for range knownTries {
				if !disabled(ctx, url, token) {
					return
				}
				select {
				case <-ctx.Done():
					return
				case <-time.After(wait):
				}
			}
		})
	}
	all.Wait()
}

// disabled reports whether an API answers that it is not enabled in the project (Google
// Cloud APIs, "Errors": SERVICE_DISABLED; accessNotConfigured is its older name). It
// returns false if the API cannot be reached.
func disabled(ctx context.Context, url, token string) bool {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	request.Header.Set("Authorization", "Bearer "+token)
	// All requests of the program use this transport.
	answer, err := (&http.Client{Transport: remote.DefaultTransport}).Do(request)
	if err != nil {
		return false
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	return err == nil && answer.StatusCode == http.StatusForbidden &&
		(strings.Contains(string(text), "SERVICE_DISABLED") || strings.Contains(string(text), "accessNotConfigured"))
}
