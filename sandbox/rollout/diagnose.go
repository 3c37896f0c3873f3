package rollout

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
)

// blocked returns why the kubelet creates no container of a pod: a volume that it cannot mount
// or a network that it cannot set up. The status does not say so, only the newest event does.
// An older event of this kind no longer counts: the kubelet has retried since.
func blocked(p *corev1.Pod, events []corev1.Event) []finding {
	if len(events) == 0 {
		return nil
	}
	newest := slices.MaxFunc(events, func(a, b corev1.Event) int { return last(a).Compare(last(b)) })
	switch newest.Reason { // pkg/kubelet/events/event.go, Kubernetes
	case "FailedMount", "FailedAttachVolume", "FailedMapVolume", "FailedCreatePodSandBox", "NetworkNotReady":
		return []finding{{text: fmt.Sprintf("pod %s%s%s: %s", p.Name, refusal, newest.Reason, newest.Message)}}
	}
	return nil
}

// last returns when an event was last observed, in whichever form its reporter writes that.
func last(e corev1.Event) time.Time {
	at := slices.MaxFunc([]time.Time{e.LastTimestamp.Time, e.EventTime.Time, e.CreationTimestamp.Time}, time.Time.Compare)
	if e.Series != nil && e.Series.LastObservedTime.After(at) {
		return e.Series.LastObservedTime.Time
	}
	return at
}

// deployment returns what keeps a Deployment from making pods: a quota or a policy.
func deployment(d *appsv1.Deployment) []finding {
	for _, c := range d.Status.Conditions {
		if c.Type == appsv1.DeploymentReplicaFailure && c.Status == corev1.ConditionTrue {
			return []finding{{text: fmt.Sprintf("deployment %s: a pod%s%s: %s", d.Name, refusal, c.Reason, c.Message)}}
		}
	}
	return nil
}

func statuses(p *corev1.Pod) []corev1.ContainerStatus {
	return append(append([]corev1.ContainerStatus{}, p.Status.InitContainerStatuses...), p.Status.ContainerStatuses...)
}

// pod returns what keeps a pod from being ready: only the reason that explains the others.
func (w *Watcher) pod(p *corev1.Pod) []finding {
	late := w.Now().Sub(p.CreationTimestamp.Time) >= grace
	if p.Status.Reason == "Evicted" { // by the kubelet, which ended all containers; another pod takes its place
		return []finding{{text: fmt.Sprintf("pod %s was evicted: %s", p.Name, p.Status.Message)}}
	}
	for _, c := range p.Status.Conditions {
		if c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue {
			return nil
		}
		if c.Type == corev1.PodScheduled && c.Status == corev1.ConditionFalse && late {
			return []finding{{text: fmt.Sprintf("pod %s has no node: %s", p.Name, c.Message)}}
		}
	}
	for _, c := range statuses(p) {
		if f, ok := w.container(p, c); ok {
			return []finding{f}
		}
	}
	for _, c := range p.Status.ContainerStatuses {
		if since := c.State.Running; since != nil && !c.Ready && w.Now().Sub(since.StartedAt.Time) >= grace {
			return []finding{{text: fmt.Sprintf("pod %s: container %s is running, but not ready", p.Name, c.Name)}}
		}
	}
	return nil
}

// container returns why a container ended, or why it does not start. An init container
// that ends well has done its work; any other container is not meant to end.
func (w *Watcher) container(p *corev1.Pod, c corev1.ContainerStatus) (finding, bool) {
	about := fmt.Sprintf("pod %s: container %s", p.Name, c.Name)
	ended, waiting := c.State.Terminated, c.State.Waiting
	count := crashed(c) - w.discounted[container{p.UID, c.Name}]
	if ended == nil {
		ended = c.LastTerminationState.Terminated
	}
	if ended != nil && ended.ExitCode == 0 && isInit(p, c.Name) {
		ended = nil
	}
	switch {
	case ended != nil && count > 0:
		text := fmt.Sprintf("%s ended %s: %s, exit code %d", about, times(count), ended.Reason, ended.ExitCode)
		if ended.Message != "" {
			text += ": " + strings.TrimSpace(ended.Message)
		}
		switch {
		case ended.Reason == "OOMKilled":
			text += ": it uses more memory than its limit of " + memoryLimit(p, c.Name)
		case ended.ExitCode == killed:
			text += ": it was killed, as by the kernel above its memory limit of " + memoryLimit(p, c.Name)
		}
		return finding{text: text, lasting: count >= crashes, pod: p.Name, crashed: c.Name, restarted: c.State.Running != nil}, true
	case waiting == nil:
	case strings.Contains(waiting.Reason, "Image"): // ErrImagePull, ImagePullBackOff, InvalidImageName, …
		return finding{text: fmt.Sprintf("%s: its image %s%s%s: %s", about, c.Image, refusal, waiting.Reason, waiting.Message)}, true
	case waiting.Reason == "CrashLoopBackOff": // whose crashes do not matter
		return finding{text: fmt.Sprintf("%s waits: %s: %s", about, waiting.Reason, waiting.Message)}, true
	case waiting.Reason != "ContainerCreating" && waiting.Reason != "PodInitializing" && waiting.Reason != "": // CreateContainerConfigError, …
		return finding{text: fmt.Sprintf("%s%s%s: %s", about, refusal, waiting.Reason, waiting.Message)}, true
	}
	return finding{}, false
}

// memoryLimit returns the memory limit of a container.
func memoryLimit(p *corev1.Pod, name string) string {
	all := slices.Concat(p.Spec.InitContainers, p.Spec.Containers)
	i := slices.IndexFunc(all, func(c corev1.Container) bool { return c.Name == name })
	return all[i].Resources.Limits.Memory().String()
}

func isInit(p *corev1.Pod, name string) bool {
	return slices.ContainsFunc(p.Spec.InitContainers, func(c corev1.Container) bool { return c.Name == name })
}

func times(n int32) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// log returns the end of a crashed container's log, indented below a heading; nothing if
// there is none.
func (w *Watcher) log(ctx context.Context, f finding) string {
	if f.crashed == "" {
		return ""
	}
	lines := int64(logLines)
	text, err := w.Client.CoreV1().Pods(w.Namespace).GetLogs(f.pod, &corev1.PodLogOptions{
		Container: f.crashed, TailLines: &lines, Previous: f.restarted,
	}).DoRaw(ctx)
	if err != nil || len(text) == 0 {
		return "\nIt left no log."
	}
	return "\nThe end of its log:\n  " + strings.ReplaceAll(strings.TrimRight(string(text), "\n"), "\n", "\n  ")
}
