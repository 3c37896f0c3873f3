package project

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/pulumi/pulumi-gcp/sdk/v9/go/gcp/organizations"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/internal/wait"
)

const (
	// knownWait is the time between two requests to an API. knownTries is the largest
	// number of requests. Together they span 5 minutes, as Google's message says "wait a
	// few minutes".
	knownWait  = 5 * time.Second
	knownTries = 60
)

// probes maps each API to a read method with which it is asked whether it knows the
// project. The answer does not matter: even a refusal for a missing permission comes only
// from an API that knows the project. The program does not call an API without a method:
// nothing waits for it.
var probes = map[string]string{
	"artifactregistry.googleapis.com":    "v1/projects/%s/locations",
	"binaryauthorization.googleapis.com": "v1/projects/%s/policy",
	"cloudbuild.googleapis.com":          "v1/projects/%s/triggers?pageSize=1",
	"cloudkms.googleapis.com":            "v1/projects/%s/locations",
	"compute.googleapis.com":             "compute/v1/projects/%s",
	"container.googleapis.com":           "v1/projects/%s/locations/-/clusters",
	"containeranalysis.googleapis.com":   "v1/projects/%s/notes?pageSize=1",
	"containerscanning.googleapis.com":   "", // Artifact Registry calls it
	"dns.googleapis.com":                 "dns/v1/projects/%s",
	"iam.googleapis.com":                 "v1/projects/%s/roles?pageSize=1",
	"iamcredentials.googleapis.com":      "", // workflows call it
	"monitoring.googleapis.com":          "v1/projects/%s/dashboards?pageSize=1",
	"privateca.googleapis.com":           "v1/projects/%s/locations",
	"secretmanager.googleapis.com":       "v1/projects/%s/secrets?pageSize=1",
	"sts.googleapis.com":                 "", // workflows call it
	resourceManager:                      "v1/projects/%s",
}

// ready returns an option for what needs the APIs. In an update it waits until they are
// usable, which takes minutes after they were enabled. The gcp provider does not retry a
// request that is refused for this reason (its error_retry_predicates.go).
func (p *Project) ready(ctx *pulumi.Context, projectID string, apis []string) (pulumi.ResourceOrInvokeOption, error) {
	urls, err := urlsOf(projectID, apis)
	if err != nil || ctx.DryRun() {
		return pulumi.DependsOn(p.apis), err
	}
	tell := func(text string) { _ = ctx.Log.Info(text, &pulumi.LogArgs{Resource: p}) }
	ids := make([]any, 0, len(p.apis)+1)
	for _, api := range p.apis {
		ids = append(ids, api.(pulumi.CustomResource).ID())
	}
	client := organizations.GetClientConfigOutput(ctx, pulumi.Parent(p))
	known := pulumi.All(append(ids, client.AccessToken())...).ApplyTWithContext(ctx.Context(),
		func(background context.Context, values []any) []pulumi.Resource {
			if token, isText := values[len(values)-1].(string); isText {
				waitKnown(background, urls, token, knownWait, tell)
			}
			return p.apis
		}).(pulumi.ResourceArrayOutput)
	return pulumi.DependsOnInputs(known), nil
}

// urlsOf returns the URLs at which the APIs are asked.
func urlsOf(projectID string, apis []string) ([]string, error) {
	var urls []string
	for _, api := range apis {
		method, ok := probes[api]
		if !ok {
			return nil, fmt.Errorf("enabling %s: no method is known to ask whether it is usable", api)
		}
		if method != "" {
			urls = append(urls, "https://"+api+"/"+fmt.Sprintf(method, projectID))
		}
	}
	return urls, nil
}

// waitKnown waits until no API answers that it is disabled, for at most knownTries
// tries. Then the first resource of the API reports what is wrong. tell gets the APIs that it
// waits for.
func waitKnown(ctx context.Context, urls []string, token string, pause time.Duration, tell func(string)) {
	var all sync.WaitGroup
	for _, url := range urls {
		all.Go(func() {
			for try := range knownTries {
				if !disabled(ctx, url, token) {
					return
				}
				if try == 0 {
					tell("waiting until this API is usable: " + url)
				}
				if wait.For(ctx, pause) != nil {
					return
				}
			}
		})
	}
	all.Wait()
}

// googleClients matches an error about the project of the Google Cloud CLI or of its
// application default credentials. Google gives the reason SERVICE_DISABLED for these too,
// where a user's credentials name no quota project ("Troubleshoot your ADC setup"). Waiting
// does not help.
var googleClients = regexp.MustCompile(`"consumer":\s*"projects/(764086051850|32555940559)"`)

// disabled reports whether an API answers that it is not enabled in the project (Google
// Cloud APIs, "Errors": SERVICE_DISABLED; accessNotConfigured is its older name). It
// returns false if the API cannot be reached, or is disabled in a project of Google's own.
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
	return err == nil && answer.StatusCode == http.StatusForbidden && !googleClients.Match(text) &&
		(strings.Contains(string(text), "SERVICE_DISABLED") || strings.Contains(string(text), "accessNotConfigured"))
}
