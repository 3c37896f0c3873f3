package googleapis

import (
	"encoding/json"
	"net/http"
	"slices"
	"strings"

	admissionv1 "k8s.io/api/admission/v1"
	core "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"example.com/grpc-edge/sandbox/cluster"
	"example.com/grpc-edge/sandbox/gcp/binaryauthorization"
)

// Reviewer is the part of the cloud that knows the policy.
type Reviewer interface {
	Review(cluster string, pod binaryauthorization.Pod) string
}

// ImagePolicy answers API servers whether a pod may run. It checks only the images that the pod
// did not have before.
func ImagePolicy(cloud Reviewer) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		name, ok := strings.CutPrefix(r.URL.Path, cluster.ImagePolicyPath)
		var review admissionv1.AdmissionReview
		if err := json.NewDecoder(r.Body).Decode(&review); err != nil || review.Request == nil || !ok {
			http.Error(w, "want an AdmissionReview", http.StatusBadRequest)
			return
		}
		var pod, old core.Pod
		err := json.Unmarshal(review.Request.Object.Raw, &pod)
		if len(review.Request.OldObject.Raw) > 0 && err == nil {
			err = json.Unmarshal(review.Request.OldObject.Raw, &old)
		}
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		before := imagesOf(&old)
		images := slices.DeleteFunc(imagesOf(&pod), func(image string) bool { return slices.Contains(before, image) })
		why := cloud.Review(name, binaryauthorization.Pod{Labels: pod.Labels, Images: images})
		review.Response = &admissionv1.AdmissionResponse{UID: review.Request.UID, Allowed: why == ""}
		if why != "" { // the reason is what kubectl shows of GKE's refusals
			review.Response.Result = &metav1.Status{Message: why, Reason: "VIOLATES_POLICY", Code: http.StatusForbidden}
		}
		review.Request = nil
		answer(w, http.StatusOK, review)
	})
}

// imagesOf returns the images of all of a pod's containers.
func imagesOf(pod *core.Pod) []string {
	var images []string
	for _, c := range slices.Concat(pod.Spec.InitContainers, pod.Spec.Containers) {
		images = append(images, c.Image)
	}
	for _, c := range pod.Spec.EphemeralContainers {
		images = append(images, c.Image)
	}
	return images
}
