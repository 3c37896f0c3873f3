package googleapis

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	admissionv1 "k8s.io/api/admission/v1"

	"example.com/grpc-edge/sandbox/gcp/binaryauthorization"
)

// fakePolicy refuses images that are called bad, except in the cluster that is open.
type fakePolicy struct{ asked []string }

func (f *fakePolicy) Review(cluster string, pod binaryauthorization.Pod) string {
	f.asked = append(f.asked, cluster+" "+strings.Join(pod.Images, " ")+" "+pod.Labels["app"])
	if cluster != "open" && slices.Contains(pod.Images, "bad") {
		return "Image bad denied"
	}
	return ""
}

func TestImagePolicy(t *testing.T) {
	t.Parallel()
	pod := func(images string) string {
		return `{"metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"image": "` + images + `"}],
			"initContainers": [{"image": "init"}], "ephemeralContainers": [{"image": "debug"}]}}`
	}
	review := func(object, old string) string {
		return `{"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": {"uid": "7", "object": ` + object + `, "oldObject": ` + old + `}}`
	}
	tests := []struct {
		name, path, body string
		allowed          bool
		asked            string
	}{
		{"good", "/imagepolicy/p/c", review(pod("good"), "null"), true, "p/c init good debug a"},
		{"bad", "/imagepolicy/p/c", review(pod("bad"), "null"), false, "p/c init bad debug a"},
		{"another cluster", "/imagepolicy/open", review(pod("bad"), "null"), true, "open init bad debug a"},
		{"what ran before", "/imagepolicy/p/c", review(pod("bad"), pod("bad")), true, "p/c  a"},
		{"what changed", "/imagepolicy/p/c", review(pod("bad"), pod("good")), false, "p/c bad a"},
	}
	for _, test := range tests {
		cloud, answer := &fakePolicy{}, httptest.NewRecorder()
		ImagePolicy(cloud).ServeHTTP(answer, httptest.NewRequest(http.MethodPost, test.path, strings.NewReader(test.body)))
		var got admissionv1.AdmissionReview
		if err := json.Unmarshal(answer.Body.Bytes(), &got); err != nil || got.Response == nil || got.Kind != "AdmissionReview" {
			t.Errorf("%s: %s (%v), want a review", test.name, answer.Body, err)
			continue
		}
		if got.Response.Allowed != test.allowed || got.Response.UID != "7" || !slices.Equal(cloud.asked, []string{test.asked}) {
			t.Errorf("%s: %+v for %q, want allowed = %t for %q", test.name, got.Response, cloud.asked, test.allowed, test.asked)
		}
		if !test.allowed && (got.Response.Result == nil || got.Response.Result.Message != "Image bad denied") {
			t.Errorf("%s: the reason is %v", test.name, got.Response.Result)
		}
	}
	for _, wrong := range []struct{ path, body string }{
		{"/imagepolicy/p/c", "{}"}, {"/imagepolicy/p/c", "no JSON"}, {"/other", review(pod("good"), "null")},
		{"/imagepolicy/p/c", review(`"text"`, "null")},
	} {
		answer := httptest.NewRecorder()
		ImagePolicy(&fakePolicy{}).ServeHTTP(answer, httptest.NewRequest(http.MethodPost, wrong.path, strings.NewReader(wrong.body)))
		if answer.Code != http.StatusBadRequest {
			t.Errorf("%s %s: %d, want 400", wrong.path, wrong.body, answer.Code)
		}
	}
}
