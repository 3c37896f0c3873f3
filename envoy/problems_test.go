package envoy_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"example.com/grpc-edge/envoy"
)

// TestProblems checks that each problem names its field apart from what is wrong with it.
func TestProblems(t *testing.T) {
	t.Parallel()
	config := tutorial(t)
	if got := envoy.Problems(config); got != nil {
		t.Errorf("a valid configuration has the problems %v", got)
	}
	config.Rules = []envoy.Rule{{Service: "api.Ech"}}
	config.Origins = []string{"https://a.example.com", "*"}
	config.ClientCertificateRequired = true
	var fields []string
	for _, p := range envoy.Problems(config) {
		fields = append(fields, p.Field)
		if p.Message == "" {
			t.Errorf("%s has no message", p.Field)
		}
	}
	if diff := cmp.Diff([]string{"ClientCertificateRequired", "Rules[0].Service", "Origins[1]"}, fields); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}
