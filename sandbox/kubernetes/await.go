package kubernetes

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/fluxcd/cli-utils/pkg/kstatus/status"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// defaultTimeout is how long an object may take to be ready or gone. The
// official provider waits as long for a Deployment.
const defaultTimeout = 10 * time.Minute

// timeoutOf is how long to wait: the resource's customTimeouts in seconds, else
// its annotation, else the default.
func timeoutOf(obj *unstructured.Unstructured, custom float64) (time.Duration, error) {
	if custom > 0 {
		return time.Duration(custom * float64(time.Second)), nil
	}
	given, set := obj.GetAnnotations()[annotationTimeout]
	if !set {
		return defaultTimeout, nil
	}
	seconds, err := strconv.Atoi(given)
	if err != nil || seconds <= 0 {
		return 0, fmt.Errorf("annotation %s of %s is %q, it must be a number of seconds above 0",
			annotationTimeout, describe(obj), given)
	}
	return time.Duration(seconds) * time.Second, nil
}

// await polls the object until it is ready, has failed, or the time is over. It
// returns the object as last seen.
func (c *cluster) await(
	ctx context.Context, obj *unstructured.Unstructured, timeout time.Duration, progress func(string),
) (*unstructured.Unstructured, error) {
	if obj.GetAnnotations()[annotationSkipAwait] == "true" {
		return obj, nil
	}
	until, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	shown := ""
	for {
		state, message := readiness(obj)
		switch state {
		case status.CurrentStatus:
			return obj, nil
		case status.FailedStatus:
			return obj, errors.New(c.explain(ctx, obj, fmt.Sprintf("%s failed: %s", describe(obj), message)))
		}
		if message != shown {
			progress(message)
			shown = message
		}
		select {
		case <-until.Done():
			if ctx.Err() != nil {
				return obj, fmt.Errorf("waiting for %s was cancelled: %s", describe(obj), message)
			}
			return obj, errors.New(c.explain(ctx, obj,
				fmt.Sprintf("%s is not ready after %s: %s", describe(obj), timeout, message)))
		case <-time.After(c.pollEvery):
		}
		seen, err := c.get(until, obj)
		if apierrors.IsNotFound(err) {
			return obj, fmt.Errorf("%s was deleted by someone else while waiting for it", describe(obj))
		}
		if err == nil { // else the API server may come back within the time
			obj = seen
		}
	}
}

// readiness is what the object's annotation waits for, else kstatus' opinion, with the
// official provider's where it is stricter or laxer.
func readiness(obj *unstructured.Unstructured) (status.Status, string) {
	if name, value, err := waitFor(obj); err != nil {
		return status.FailedStatus, err.Error()
	} else if name != "" {
		return awaited(obj, name, value)
	}
	result, err := status.Compute(obj)
	if err != nil {
		return status.FailedStatus, err.Error()
	}
	if result.Status != status.CurrentStatus {
		if isKind(obj, "PersistentVolumeClaim") && result.Status == status.InProgressStatus {
			// One of a WaitForFirstConsumer class is bound only once a Pod uses it.
			return status.CurrentStatus, ""
		}
		return result.Status, result.Message
	}
	phase, _, _ := unstructured.NestedString(obj.Object, "status", "phase")
	switch {
	case isKind(obj, "Service") && field(obj, "spec", "type") == "LoadBalancer":
		if ingress, _, _ := unstructured.NestedSlice(obj.Object, "status", "loadBalancer", "ingress"); len(ingress) == 0 {
			return status.InProgressStatus, "waiting for the load balancer's address"
		}
	case isKind(obj, "Pod") && phase == "Failed":
		return status.FailedStatus, result.Message
	case isKind(obj, "Namespace") && phase == "":
		return status.InProgressStatus, "waiting for the namespace to be active"
	case obj.GetKind() == "Job" && !conditionTrue(obj, "Complete"):
		return status.InProgressStatus, result.Message
	}
	return status.CurrentStatus, ""
}

// waitFor is the condition, and its value, that an annotation says to wait for, in
// the words of `kubectl wait --for`: condition=Ready or condition=Ready=True. Of the
// forms that the official provider knows, JSON paths and lists are not here.
func waitFor(obj *unstructured.Unstructured) (name, value string, err error) {
	given := obj.GetAnnotations()[annotationWaitFor]
	if given == "" {
		return "", "", nil
	}
	expression, isCondition := strings.CutPrefix(given, "condition=")
	if name, value, _ = strings.Cut(expression, "="); !isCondition || name == "" {
		return "", "", fmt.Errorf("annotation %s of %s is %q; the sandbox's provider waits for conditions only, such as condition=Ready",
			annotationWaitFor, describe(obj), given)
	}
	if value == "" {
		value = "True"
	}
	return name, value, nil
}

// awaited tells whether a condition has a value, of what the object is now and not of
// what it was: as kubectl, the condition's observedGeneration counts where it is there.
func awaited(obj *unstructured.Unstructured, name, value string) (status.Status, string) {
	for _, condition := range conditions(obj) {
		if given, _ := condition["type"].(string); !strings.EqualFold(given, name) {
			continue
		}
		seen, told, _ := unstructured.NestedInt64(condition, "observedGeneration")
		if now, _ := condition["status"].(string); strings.EqualFold(now, value) && (!told || seen >= obj.GetGeneration()) {
			return status.CurrentStatus, ""
		}
		return status.InProgressStatus, fmt.Sprintf("waiting for condition %s=%s: %v", name, value, condition["message"])
	}
	return status.InProgressStatus, fmt.Sprintf("waiting for condition %s=%s, which nothing has set yet", name, value)
}

func field(obj *unstructured.Unstructured, path ...string) string {
	value, _, _ := unstructured.NestedString(obj.Object, path...)
	return value
}

func conditionTrue(obj *unstructured.Unstructured, name string) bool {
	for _, condition := range conditions(obj) {
		if condition["type"] == name && condition["status"] == "True" {
			return true
		}
	}
	return false
}

// conditions are the object's status conditions.
func conditions(obj *unstructured.Unstructured) []map[string]any {
	var found []map[string]any
	list, _, _ := unstructured.NestedSlice(obj.Object, "status", "conditions")
	for _, item := range list {
		if condition, ok := item.(map[string]any); ok {
			found = append(found, condition)
		}
	}
	return found
}
