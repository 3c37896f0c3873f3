package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// lastEvents is how many warnings an error shows: the newest say why, older
// ones mostly repeat.
const lastEvents = 5

// explain adds to a headline what a person would look up next: the conditions,
// the pods that are not ready and the last warnings.
func (c *cluster) explain(ctx context.Context, obj *unstructured.Unstructured, headline string) string {
	// The wait is over, whatever ended it: looking once more is not part of it.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), requestTimeout)
	defer cancel()
	lines := []string{headline}
	for _, condition := range conditions(obj) {
		if message := fmt.Sprint(condition["message"]); condition["message"] != nil && message != "" {
			lines = append(lines, fmt.Sprintf("condition %v=%v: %v: %s",
				condition["type"], condition["status"], condition["reason"], message))
		}
	}
	for _, pod := range c.podsOf(ctx, obj) {
		lines = append(lines, troubles(&pod)...)
	}
	lines = append(lines, c.warnings(ctx, obj)...)
	return strings.Join(lines, "\n  ")
}

// podsOf are the pods that a workload runs, or the pod itself.
func (c *cluster) podsOf(ctx context.Context, obj *unstructured.Unstructured) []corev1.Pod {
	if isKind(obj, "Pod") {
		pod := corev1.Pod{}
		if runtime.DefaultUnstructuredConverter.FromUnstructured(obj.Object, &pod) != nil {
			return nil
		}
		return []corev1.Pod{pod}
	}
	given, found, _ := unstructured.NestedMap(obj.Object, "spec", "selector")
	_, workload, _ := unstructured.NestedMap(obj.Object, "spec", "template")
	selector := metav1.LabelSelector{}
	if !found || !workload || runtime.DefaultUnstructuredConverter.FromUnstructured(given, &selector) != nil {
		return nil
	}
	pods, err := c.typed.CoreV1().Pods(obj.GetNamespace()).List(ctx,
		metav1.ListOptions{LabelSelector: metav1.FormatLabelSelector(&selector)})
	if err != nil {
		return nil
	}
	return pods.Items
}

// troubles says why a pod is not ready, nothing if it is.
func troubles(pod *corev1.Pod) []string {
	var lines []string
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady && condition.Status == corev1.ConditionTrue {
			return nil
		}
		if condition.Type == corev1.PodScheduled && condition.Status == corev1.ConditionFalse {
			lines = append(lines, fmt.Sprintf("pod %s: %s: %s", pod.Name, condition.Reason, condition.Message))
		}
	}
	for _, container := range pod.Status.InitContainerStatuses {
		lines = append(lines, containerTroubles(pod.Name, "init container", container)...)
	}
	for _, container := range pod.Status.ContainerStatuses {
		lines = append(lines, containerTroubles(pod.Name, "container", container)...)
	}
	return lines
}

// containerTroubles says what a container does instead of being ready. One that
// runs but is not ready waits for its probes; an init container that runs holds up
// those after it until it ends or, being a sidecar (restartPolicy Always), has
// started ("Sidecar Containers", Kubernetes).
func containerTroubles(pod, what string, c corev1.ContainerStatus) []string {
	about := fmt.Sprintf("pod %s: %s %s: ", pod, what, c.Name)
	var lines []string
	switch waiting := c.State.Waiting; {
	case waiting != nil && waiting.Reason != "":
		lines = append(lines, fmt.Sprintf("%s%s: %s", about, waiting.Reason, waiting.Message))
	case c.State.Running != nil && c.Started != nil && !*c.Started:
		lines = append(lines, about+"runs, but has not started: its startup probe or postStart hook has not succeeded")
	case c.State.Running != nil && !c.Ready:
		lines = append(lines, about+"runs, but is not ready")
	}
	for _, ended := range []*corev1.ContainerStateTerminated{c.State.Terminated, c.LastTerminationState.Terminated} {
		if ended != nil && ended.ExitCode != 0 {
			lines = append(lines, fmt.Sprintf("%sexited with code %d: %s %s", about, ended.ExitCode, ended.Reason, ended.Message))
		}
	}
	return lines
}

// warnings are the last events of type Warning about the object or what it
// owns, whose names start with its name.
func (c *cluster) warnings(ctx context.Context, obj *unstructured.Unstructured) []string {
	namespace := obj.GetNamespace()
	if namespace == "" {
		namespace = metav1.NamespaceDefault
	}
	events, err := c.typed.CoreV1().Events(namespace).List(ctx, metav1.ListOptions{FieldSelector: "type=Warning"})
	if err != nil {
		return nil
	}
	about := slices.DeleteFunc(events.Items, func(event corev1.Event) bool {
		name := event.InvolvedObject.Name
		return name != obj.GetName() && !strings.HasPrefix(name, obj.GetName()+"-")
	})
	slices.SortStableFunc(about, func(a, b corev1.Event) int { return when(a).Compare(when(b)) })
	var lines []string
	for _, event := range about[max(0, len(about)-lastEvents):] {
		lines = append(lines, fmt.Sprintf("event on %s %s: %s: %s",
			event.InvolvedObject.Kind, event.InvolvedObject.Name, event.Reason, event.Message))
	}
	return lines
}

func when(event corev1.Event) time.Time {
	if !event.LastTimestamp.IsZero() {
		return event.LastTimestamp.Time
	}
	return event.EventTime.Time
}
