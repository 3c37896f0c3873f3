package cluster

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"

	admission "k8s.io/api/admissionregistration/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

// BinaryAuthorization is the host that a cluster asks whether a pod's images may run,
// at the path of [ImagePolicyPath] and the cluster's full name.
const (
	BinaryAuthorization = "binaryauthorization.googleapis.com"
	ImagePolicyPath     = "/imagepolicy/"
)

// imagePolicyName is the name of GKE's webhook, which its refusals show ("Deploy containers",
// Binary Authorization).
const imagePolicyName = "imagepolicywebhook.image-policy.k8s.io"

// enforceImagePolicy makes the API server ask Binary Authorization about each pod, or
// no longer. It is a webhook, as GKE's is: the ImagePolicyWebhook plugin of
// kube-apiserver is shown no labels, by which a pod breaks the glass, and changes only
// with a restart.
func (c *Cluster) enforceImagePolicy(ctx context.Context, on bool, ca string) error {
	config, err := c.RESTConfig()
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	webhooks := client.AdmissionregistrationV1().ValidatingWebhookConfigurations()
	if !on {
		if err := webhooks.Delete(ctx, imagePolicyName, metav1.DeleteOptions{}); err != nil && !apierrors.IsNotFound(err) {
			return fmt.Errorf("ending the enforcement of Binary Authorization: %w", err)
		}
		return nil
	}
	bundle, err := os.ReadFile(ca)
	if err != nil {
		return err
	}
	wanted := imagePolicy(c.plane.spec.FullName(), bundle)
	if _, err = webhooks.Create(ctx, wanted, metav1.CreateOptions{}); err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("beginning the enforcement of Binary Authorization: %w", err)
	}
	return nil
}

// imagePolicy returns the webhook that asks for each created pod, and for each changed image of
// a pod. Requests without an answer are admitted ("Deploy containers": fail open).
func imagePolicy(cluster string, ca []byte) *admission.ValidatingWebhookConfiguration {
	at := (&url.URL{Scheme: "https", Host: BinaryAuthorization, Path: ImagePolicyPath + cluster}).String()
	open, effects, seconds := admission.Ignore, admission.SideEffectClassNone, int32(10)
	rule := func(resource string, operations ...admission.OperationType) admission.RuleWithOperations {
		return admission.RuleWithOperations{
			Operations: operations,
			Rule:       admission.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{resource}},
		}
	}
	return &admission.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: imagePolicyName},
		Webhooks: []admission.ValidatingWebhook{{
			Name:         imagePolicyName,
			ClientConfig: admission.WebhookClientConfig{URL: &at, CABundle: slices.Clone(ca)},
			Rules: []admission.RuleWithOperations{
				rule("pods", admission.Create, admission.Update), rule("pods/ephemeralcontainers", admission.Update),
			},
			FailurePolicy: &open, SideEffects: &effects, TimeoutSeconds: &seconds, AdmissionReviewVersions: []string{"v1"},
		}},
	}
}
