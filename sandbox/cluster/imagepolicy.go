package cluster

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"slices"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
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
// stop asking. It uses a webhook, as GKE does: the ImagePolicyWebhook plugin of
// kube-apiserver does not see labels, which a pod needs for breakglass, and changes only
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
func imagePolicy(cluster string, ca []byte) *admissionregistrationv1.ValidatingWebhookConfiguration {
	at := (&url.URL{Scheme: "https", Host: BinaryAuthorization, Path: ImagePolicyPath + cluster}).String()
	open, effects, seconds := admissionregistrationv1.Ignore, admissionregistrationv1.SideEffectClassNone, int32(10)
	rule := func(resource string, operations ...admissionregistrationv1.OperationType) admissionregistrationv1.RuleWithOperations {
		return admissionregistrationv1.RuleWithOperations{
			Operations: operations,
			Rule:       admissionregistrationv1.Rule{APIGroups: []string{""}, APIVersions: []string{"v1"}, Resources: []string{resource}},
		}
	}
	return &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: imagePolicyName},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name:         imagePolicyName,
			ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: &at, CABundle: slices.Clone(ca)},
			Rules: []admissionregistrationv1.RuleWithOperations{
				rule("pods", admissionregistrationv1.Create, admissionregistrationv1.Update), rule("pods/ephemeralcontainers", admissionregistrationv1.Update),
			},
			FailurePolicy: &open, SideEffects: &effects, TimeoutSeconds: &seconds, AdmissionReviewVersions: []string{"v1"},
		}},
	}
}
