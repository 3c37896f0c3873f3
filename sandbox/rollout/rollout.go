// Package rollout waits for rollouts, and reports at once which pod blocks one, and why. Pulumi's
// Kubernetes provider waits ten minutes and more for a Deployment, in case it recovers. A person at
// `make up` wants the reason and the log after the second crash. The provider may also succeed
// before the rollout has begun: it takes the old ReplicaSet for the new one while it reads an old
// status, or while the controller takes an old ReplicaSet into use again (pkg/await/deployment.go,
// pulumi-kubernetes).
package rollout

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"

	"example.com/grpc-edge/sandbox/breach"
)

const (
	// pollEvery is the interval at which the cluster is polled.
	pollEvery = 2 * time.Second
	// grace is the time for which a pod may be unscheduled or not ready before that is reported.
	grace = 15 * time.Second
	// patience is the time for which an image, a container or a pod may be refused before that
	// counts as lasting. The kubelet pulls a second time after 10 s, and a third time 20 s later
	// ("Images", Kubernetes).
	patience = 30 * time.Second
	// crashes is the number of crashes of a container that ends the wait.
	crashes = 2
	// logLines is the number of lines of a crashed container's log that are shown.
	logLines = 20
)

// Watcher looks at the pods of a namespace while something is rolled out there.
type Watcher struct {
	Client    kubernetes.Interface
	Namespace string
	// Say is called with the reason that blocks the rollout, each time that the cluster is polled;
	// empty for none.
	Say func(trouble string)
	// Waiting reports whether Pulumi waits for the Deployment of this name; nil is for none.
	Waiting func(deployment string) bool
	// Patient makes the watch continue, whatever it finds.
	Patient bool
	// All makes the watch cover every Deployment, and end once all are rolled out.
	All bool
	// Now is the clock; nil is time.Now.
	Now func() time.Time

	// before maps the pods and Deployments that were there when the watch began to their
	// generations then; nil until the first look.
	before map[types.UID]int64
	// discounted maps containers to how often they had ended before it mattered.
	discounted map[container]int32
	// refused maps reasons to the time since when images, containers and pods have been refused.
	refused map[string]time.Time
}

type container struct {
	pod  types.UID
	name string
}

// finding describes what is wrong with a pod or a Deployment.
type finding struct {
	text string
	// lasting reports that waiting longer would not help.
	lasting bool
	// crashed is the container of pod whose log says more; empty for none. restarted reports
	// that it runs again, so that the log of the previous run is needed.
	pod, crashed string
	restarted    bool
}

// Watch polls until ctx ends, which is no error, or until it finds a failure that will not go
// away by itself. It then returns that failure, with the log of the container that crashed. It
// retries when the cluster does not answer.
func (w *Watcher) Watch(ctx context.Context) error {
	if w.Now == nil {
		w.Now = time.Now
	}
	tick := time.NewTicker(pollEvery)
	defer tick.Stop()
	for {
		found, rolling, err := w.look(ctx)
		if err == nil {
			w.tell(found)
			if w.All && !rolling {
				return nil
			}
			for _, f := range found {
				if f.lasting && !w.Patient {
					return errors.New(f.text + w.log(ctx, f))
				}
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func (w *Watcher) tell(found []finding) {
	var text string
	if len(found) > 0 {
		text = found[0].text
	}
	if len(found) > 1 {
		text += fmt.Sprintf(" (and %d more)", len(found)-1)
	}
	w.Say(text)
}

// look polls the cluster once, and reports whether a rollout is under way. It also
// reports earlier problems, but they count only once Pulumi waits for that Deployment: until then
// the image that fixes it may still be building. Earlier crashes are ignored: a sandbox that was stopped
// resumes with one crash of each container.
func (w *Watcher) look(ctx context.Context) (found []finding, rolling bool, err error) {
	// In this order, the newest ReplicaSet of an updated Deployment is never an older one.
	pods, err := w.Client.CoreV1().Pods(w.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, false, err
	}
	deployments, err := w.Client.AppsV1().Deployments(w.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, false, err
	}
	sets, err := w.Client.AppsV1().ReplicaSets(w.Namespace).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, false, err
	}
	first := w.before == nil
	if first {
		w.remember(pods.Items, deployments.Items)
	}
	refused, awaited := map[string]time.Time{}, map[types.UID]bool{}
	for _, d := range deployments.Items {
		wrong := deployment(&d)
		rolling = rolling || !rolledOut(&d)
		if w.updated(&d) {
			wrong = w.lasting(refused, wrong)
			if set := newest(&d, sets.Items); set != "" {
				awaited[set] = true
			}
		}
		found = append(found, wrong...)
	}
	for _, p := range pods.Items {
		if p.DeletionTimestamp != nil { // a pod that is going away blocks nothing
			continue
		}
		_, old := w.before[p.UID]
		matters := !old || awaited[owner(&p)]
		if !matters || first {
			w.discount(&p)
		}
		wrong := w.pod(&p)
		var events []corev1.Event
		if len(wrong) > 0 || w.creating(&p) {
			events = w.events(ctx, &p)
		}
		if len(wrong) == 0 {
			wrong = blocked(&p, events)
		}
		if matters {
			wrong = w.lasting(refused, wrong)
		}
		found = append(found, w.breaches(ctx, &p, events, wrong)...)
	}
	w.refused = refused
	return found, rolling, nil
}

// rolledOut reports whether the controller has seen the newest change of a Deployment, a pod of
// that change serves, and pods of earlier changes have ended or are ending.
func rolledOut(d *appsv1.Deployment) bool {
	s := d.Status
	return s.ObservedGeneration >= d.Generation && s.Replicas == s.UpdatedReplicas && (s.AvailableReplicas > 0 || ptr.Deref(d.Spec.Replicas, 1) == 0)
}

// updated reports whether a Deployment is one that Pulumi waits for: it is new, or was changed
// since the watch began, and has the ReplicaSet of this change.
func (w *Watcher) updated(d *appsv1.Deployment) bool {
	if w.All || w.Waiting != nil && w.Waiting(d.Name) {
		return true
	}
	generation, known := w.before[d.UID]
	return (!known || d.Generation != generation) && d.Status.ObservedGeneration >= d.Generation
}

// revision is the annotation with the number of a ReplicaSet, and on its Deployment that of the
// newest one.
const revision = "deployment.kubernetes.io/revision"

// newest returns the newest ReplicaSet of a Deployment; empty for none.
func newest(d *appsv1.Deployment, sets []appsv1.ReplicaSet) types.UID {
	for _, s := range sets {
		if owner(&s) == d.UID && s.Annotations[revision] == d.Annotations[revision] {
			return s.UID
		}
	}
	return ""
}

// owner returns the controller of an object; empty for none.
func owner(o metav1.Object) types.UID {
	if c := metav1.GetControllerOf(o); c != nil {
		return c.UID
	}
	return ""
}

// breaches adds to a pod's findings the rules of the contract that its image breaks, as far as its
// events and its log show.
func (w *Watcher) breaches(ctx context.Context, p *corev1.Pod, events []corev1.Event, found []finding) []finding {
	for i, f := range found {
		if broken := breach.Of(p, events, w.log(ctx, f)); len(broken) > 0 {
			found[i].text += ": " + broken[0]
		}
	}
	return found
}

// events returns the events of a pod, or none if the cluster does not answer.
func (w *Watcher) events(ctx context.Context, p *corev1.Pod) []corev1.Event {
	events, err := w.Client.CoreV1().Events(w.Namespace).List(ctx, metav1.ListOptions{FieldSelector: "involvedObject.uid=" + string(p.UID)})
	if err != nil {
		return nil
	}
	return events.Items
}

// creating reports whether a pod is older than grace, and the kubelet has created none of its
// containers yet.
func (w *Watcher) creating(p *corev1.Pod) bool {
	created := func(c corev1.ContainerStatus) bool {
		return c.State.Running != nil || c.State.Terminated != nil || c.LastTerminationState.Terminated != nil
	}
	all := statuses(p)
	return len(all) > 0 && !slices.ContainsFunc(all, created) && w.Now().Sub(p.CreationTimestamp.Time) >= grace
}

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

// remember notes what there is when the watch begins.
func (w *Watcher) remember(pods []corev1.Pod, deployments []appsv1.Deployment) {
	w.before, w.discounted = map[types.UID]int64{}, map[container]int32{}
	for _, p := range pods {
		w.before[p.UID] = p.Generation
	}
	for _, d := range deployments {
		w.before[d.UID] = d.Generation
	}
}

// discount leaves the crashes of a pod up to now out of the count.
func (w *Watcher) discount(p *corev1.Pod) {
	for _, c := range statuses(p) {
		w.discounted[container{p.UID, c.Name}] = crashed(c)
	}
}

// crashed returns how often a container has ended.
func crashed(c corev1.ContainerStatus) int32 {
	if waiting := c.State.Waiting; c.State.Terminated != nil || waiting != nil && waiting.Reason == "CrashLoopBackOff" {
		return c.RestartCount + 1 // the restart that this crash calls for is still to come
	}
	return c.RestartCount
}

// lasting marks the findings that are refusals and older than patience.
func (w *Watcher) lasting(now map[string]time.Time, found []finding) []finding {
	for i, f := range found {
		if !strings.Contains(f.text, refusal) {
			continue
		}
		// The message changes from try to try.
		key, _, _ := strings.Cut(f.text, refusal)
		since, known := w.refused[key]
		if !known {
			since = w.Now()
		}
		now[key] = since
		found[i].lasting = w.Now().Sub(since) >= patience
	}
	return found
}

// refusal is part of the text of each finding that something is not allowed to start.
const refusal = " is refused: "

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

// killed is the exit code after SIGKILL. containerd may miss that the kernel sent it because
// memory ran out, and then reports a plain error.
const killed = 128 + 9

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
