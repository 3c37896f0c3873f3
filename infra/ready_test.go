package main

import (
	"maps"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// slow delays what the program asks an API that it has enabled.
type slow struct {
	http.RoundTripper
	answered atomic.Int32
}

func (s *slow) RoundTrip(request *http.Request) (*http.Response, error) {
	if strings.HasSuffix(request.URL.Host, ".googleapis.com") && request.Method == http.MethodGet {
		time.Sleep(time.Second)
		defer s.answered.Add(1)
	}
	return s.RoundTripper.RoundTrip(request)
}

// Nothing is created or read before the last API has answered that it knows the project.
func TestEverythingWaitsForTheAPIs(t *testing.T) {
	changes := everything(t)
	for _, variant := range []map[string]string{withDelivery, withPool, withZone} {
		maps.Copy(changes, variant)
	}
	delete(changes, "grpc-edge:certificatePem")
	delete(changes, "grpc-edge:certificateKeyPem")
	changes["grpc-edge:alertEmails"] = `["edge@example.com"]`
	before := remote.DefaultTransport
	apis := &slow{RoundTripper: before}
	remote.DefaultTransport = apis
	defer func() { remote.DefaultTransport = before }()

	at := map[string]int32{} // the fewest answers by then
	met := make(chan [2]any, 10_000)
	c := &cloud{met: func(token string) { met <- [2]any{token, apis.answered.Load()} }}
	if _, err := runOn(t, c, repository(t), "sandbox", changes); err != nil {
		t.Fatal(err)
	}
	close(met)
	for m := range met {
		token, answers := m[0].(string), m[1].(int32)
		if least, ok := at[token]; !ok || answers < least {
			at[token] = answers
		}
	}
	all := apis.answered.Load()
	if all < 13 || len(at) < 40 {
		t.Errorf("%d APIs answered and %d kinds were met, want those of every key", all, len(at))
	}
	first := []string{"gcp:projects/service:Service", "gcp:organizations/getClientConfig:getClientConfig"}
	for token, answers := range at {
		if strings.HasPrefix(token, "gcp:") && answers < all && token != first[0] && token != first[1] {
			t.Errorf("%s is asked for when %d of %d APIs are known to be usable", token, answers, all)
		}
	}
}
