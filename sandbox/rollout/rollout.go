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

// killed is the exit code after SIGKILL. containerd may miss that the kernel sent it because
// memory ran out, and then reports a plain error.
const killed = 128 + 9
