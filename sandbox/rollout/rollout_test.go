package rollout

import (
	"context"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes/fake"
	"sigs.k8s.io/yaml"
)

// begin is the time at which the pods of these tests were created.
var begin = time.Date(2026, 11, 28, 12, 0, 0, 0, time.UTC)

// pod reads a pod's status, as the API server gives it.
func pod(t *testing.T, status string) *corev1.Pod {
	t.Helper()
	p := &corev1.Pod{}
	if err := yaml.Unmarshal([]byte(status), &p.Status); err != nil {
		t.Fatal(err)
	}
	p.Name, p.Namespace, p.UID = "echo-1", "grpc-edge", "1"
	p.CreationTimestamp = metav1.NewTime(begin)
	p.Spec.InitContainers = []corev1.Container{{Name: "gate"}}
	p.Spec.Containers = []corev1.Container{{Name: "echo", Resources: corev1.ResourceRequirements{Limits: corev1.ResourceList{"memory": resource.MustParse("128Mi")}}}}
	return p
}

// deployed returns a Deployment at its second generation, which the controller has seen, with its
// ReplicaSet and that one's pod, and with these statuses.
func deployed(t *testing.T, deployment, status string) (*appsv1.Deployment, *appsv1.ReplicaSet, *corev1.Pod) {
	t.Helper()
	d := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "echo", Namespace: "grpc-edge", UID: "deployment", Generation: 2, Annotations: map[string]string{revision: "1"}}}
	d.Status.ObservedGeneration = 2
	if err := yaml.Unmarshal([]byte(deployment), &d.Status); err != nil {
		t.Fatal(err)
	}
	set := &appsv1.ReplicaSet{ObjectMeta: metav1.ObjectMeta{Name: "echo-a", Namespace: "grpc-edge", UID: "set", Annotations: map[string]string{revision: "1"}}}
	set.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(d, appsv1.SchemeGroupVersion.WithKind("Deployment"))}
	p := pod(t, status)
	p.OwnerReferences = []metav1.OwnerReference{*metav1.NewControllerRef(set, appsv1.SchemeGroupVersion.WithKind("ReplicaSet"))}
	return d, set, p
}

func watcher(now time.Time, objects ...runtime.Object) *Watcher {
	return &Watcher{Client: fake.NewClientset(objects...), Namespace: "grpc-edge", Now: func() time.Time { return now }, Say: func(string) {}}
}

func TestPods(t *testing.T) {
	t.Parallel()
	const ready = "conditions: [{type: Ready, status: 'True'}]\n"
	for name, test := range map[string]struct {
		status, early, late string
		lasting             bool
	}{
		"starting":  {status: "containerStatuses: [{name: echo, state: {waiting: {reason: ContainerCreating}}}]"},
		"ready":     {status: ready + "containerStatuses: [{name: echo, ready: true, restartCount: 1, state: {running: {}}, lastState: {terminated: {exitCode: 1}}}]"},
		"gate done": {status: "initContainerStatuses: [{name: gate, state: {terminated: {exitCode: 0, reason: Completed}}}]"},
		"gate failed": {
			status: "initContainerStatuses: [{name: gate, state: {terminated: {exitCode: 3, reason: Error}}}]",
			early:  "pod echo-1: container gate ended once: Error, exit code 3", late: "pod echo-1: container gate ended once: Error, exit code 3",
		},
		"never ready": {
			status: "containerStatuses: [{name: echo, state: {running: {startedAt: '2026-11-28T12:00:00Z'}}}]",
			late:   "pod echo-1: container echo is running, but not ready",
		},
		"no node": {
			status: "conditions: [{type: PodScheduled, status: 'False', message: 'Insufficient cpu.'}]",
			late:   "pod echo-1 has no node: Insufficient cpu.",
		},
		"first crash, running again": {
			status: "containerStatuses: [{name: echo, restartCount: 1, state: {running: {}}, lastState: {terminated: {exitCode: 2, reason: Error}}}]",
			early:  "pod echo-1: container echo ended once: Error, exit code 2", late: "pod echo-1: container echo ended once: Error, exit code 2",
		},
		"second crash": {
			status:  "containerStatuses: [{name: echo, restartCount: 1, state: {waiting: {reason: CrashLoopBackOff, message: back-off 10s}}, lastState: {terminated: {exitCode: 137, reason: OOMKilled}}}]",
			early:   "pod echo-1: container echo ended 2 times: OOMKilled, exit code 137: it uses more memory than its limit of 128Mi",
			late:    "pod echo-1: container echo ended 2 times: OOMKilled, exit code 137: it uses more memory than its limit of 128Mi",
			lasting: true,
		},
		"killed": {
			status: "containerStatuses: [{name: echo, restartCount: 1, state: {running: {}}, lastState: {terminated: {exitCode: 137, reason: Error}}}]",
			early:  "pod echo-1: container echo ended once: Error, exit code 137: it was killed, as by the kernel above its memory limit of 128Mi",
			late:   "pod echo-1: container echo ended once: Error, exit code 137: it was killed, as by the kernel above its memory limit of 128Mi",
		},
		"ended well, twice": {
			status: "containerStatuses: [{name: echo, restartCount: 1, state: {terminated: {exitCode: 0, reason: Completed}}}]",
			early:  "pod echo-1: container echo ended 2 times: Completed, exit code 0: the program of container echo ended by itself, without an error: a service runs until it gets SIGTERM (docs/contract.md, Start and stop)", late: "pod echo-1: container echo ended 2 times: Completed, exit code 0: the program of container echo ended by itself, without an error: a service runs until it gets SIGTERM (docs/contract.md, Start and stop)",
			lasting: true,
		},
		"evicted": {
			status: "phase: Failed\nreason: Evicted\nmessage: The node was low on resource.\n" +
				"containerStatuses: [{name: echo, restartCount: 1, state: {terminated: {exitCode: 137, reason: ContainerStatusUnknown}}}]",
			early: "pod echo-1 was evicted: The node was low on resource.", late: "pod echo-1 was evicted: The node was low on resource.",
		},
		"no secret": {
			status: "containerStatuses: [{name: echo, state: {waiting: {reason: CreateContainerConfigError, message: secret \"key\" not found}}}]",
			early:  `pod echo-1: container echo is refused: CreateContainerConfigError: secret "key" not found`, late: `pod echo-1: container echo is refused: CreateContainerConfigError: secret "key" not found`,
			lasting: true,
		},
		"no image": {
			status: "containerStatuses: [{name: echo, image: host/echo, state: {waiting: {reason: ErrImagePull, message: not found}}}]",
			early:  "pod echo-1: container echo: its image host/echo is refused: ErrImagePull: not found", late: "pod echo-1: container echo: its image host/echo is refused: ErrImagePull: not found",
			lasting: true,
		},
	} {
		w := watcher(begin, pod(t, test.status))
		w.before = map[types.UID]int64{}
		now := begin
		w.Now = func() time.Time { return now }
		for _, want := range []string{test.early, test.late} {
			found, _, err := w.look(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if got := texts(found); got != want {
				t.Errorf("%s after %s: got %q, want %q", name, now.Sub(begin), got, want)
			}
			if now.After(begin) && len(found) > 0 && found[0].lasting != test.lasting {
				t.Errorf("%s: lasting is %t, want %t", name, found[0].lasting, test.lasting)
			}
			now = begin.Add(patience)
		}
	}
}

// TestBlocked looks at pods whose containers are not created. Only events say why.
func TestBlocked(t *testing.T) {
	t.Parallel()
	const creating = "containerStatuses: [{name: echo, state: {waiting: {reason: ContainerCreating}}}]"
	event := func(second int, reason, message string) *corev1.Event {
		return &corev1.Event{
			ObjectMeta: metav1.ObjectMeta{Name: reason, Namespace: "grpc-edge"}, Reason: reason, Message: message,
			LastTimestamp: metav1.NewTime(begin.Add(time.Duration(second) * time.Second)),
		}
	}
	mount := event(2, "FailedMount", `secret "tls" not found`)
	for name, test := range map[string]struct {
		status string
		events []runtime.Object
		want   string
	}{
		"no events":          {status: creating},
		"no such secret":     {status: creating, events: []runtime.Object{event(1, "Scheduled", ""), mount}, want: `pod echo-1 is refused: FailedMount: secret "tls" not found`},
		"no network":         {status: creating, events: []runtime.Object{event(3, "FailedCreatePodSandBox", "no address"), mount}, want: "pod echo-1 is refused: FailedCreatePodSandBox: no address"},
		"mounted since":      {status: creating, events: []runtime.Object{mount, event(4, "Pulling", "")}},
		"running since":      {status: "containerStatuses: [{name: echo, ready: true, state: {running: {startedAt: '2026-11-28T12:00:20Z'}}}]", events: []runtime.Object{mount}},
		"has no status yet":  {status: "{}", events: []runtime.Object{mount}},
		"crashed, then this": {status: "containerStatuses: [{name: echo, state: {waiting: {reason: ContainerCreating}}, lastState: {terminated: {exitCode: 1}}}]", events: []runtime.Object{mount}},
	} {
		w := watcher(begin, append(test.events, pod(t, test.status))...)
		w.before = map[types.UID]int64{}
		now := begin
		w.Now = func() time.Time { return now }
		for _, after := range []time.Duration{0, grace, grace + patience} {
			now = begin.Add(after)
			found, _, err := w.look(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			want := test.want
			if after < grace {
				want = ""
			}
			if got := texts(found); got != want {
				t.Errorf("%s after %s: got %q, want %q", name, after, got, want)
			}
			if lasting := after >= grace+patience; want != "" && len(found) > 0 && found[0].lasting != lasting {
				t.Errorf("%s after %s: lasting is %t, want %t", name, after, found[0].lasting, lasting)
			}
		}
	}
}

func texts(found []finding) string {
	var all []string
	for _, f := range found {
		all = append(all, f.text)
	}
	return strings.Join(all, "; ")
}

// TestBrokenBefore watches an update that mends broken pods. While its image is built, nothing that
// the old pods do ends the update. They end it if they remain and Pulumi waits for them.
func TestBrokenBefore(t *testing.T) {
	t.Parallel()
	const (
		crashing  = "containerStatuses: [{name: echo, restartCount: 7, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1, reason: Error}}}]"
		backOff   = "containerStatuses: [{name: echo, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1, reason: Error}}}]"
		noImage   = "containerStatuses: [{name: echo, state: {waiting: {reason: ImagePullBackOff}}}]"
		forbidden = "conditions: [{type: ReplicaFailure, status: 'True', reason: FailedCreate}]"
	)
	updated := func(d *appsv1.Deployment) { d.Generation, d.Status.ObservedGeneration = 3, 3 }
	rolled := func(d *appsv1.Deployment) { updated(d); d.Annotations[revision] = "2" }
	seen := func(d *appsv1.Deployment) { d.Generation = 3 }
	for name, test := range map[string]struct {
		pod, deployment string
		// update changes the Deployment as the update does after the build; nil for no change.
		update  func(*appsv1.Deployment)
		waiting bool
		lasting bool
	}{
		"crashes, still building":     {pod: crashing},
		"crashes, fixed":              {pod: crashing, update: rolled},
		"crashes, not yet controlled": {pod: crashing, update: seen},
		"crashes, kept":               {pod: crashing, update: updated, lasting: true},
		"crashes, update again":       {pod: crashing, waiting: true, lasting: true},
		"crashes, in back-off":        {pod: backOff, update: updated},
		"no image, still building":    {pod: noImage},
		"no image, fixed":             {pod: noImage, update: rolled},
		"no image, kept":              {pod: noImage, update: updated, lasting: true},
		"no image, update again":      {pod: noImage, waiting: true, lasting: true},
		"forbidden, still building":   {deployment: forbidden},
		"forbidden, kept":             {deployment: forbidden, update: updated, lasting: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d, set, p := deployed(t, test.deployment, test.pod)
			w, now := watcher(begin, p, set, d), begin
			building := true
			w.Now = func() time.Time { return now }
			w.Waiting = func(deployment string) bool { return test.waiting && !building && deployment == "echo" }

			// look lets time pass and reports whether the fault would end the update. In that time the
			// container is restarted and ends again.
			look := func() bool {
				t.Helper()
				now = now.Add(time.Minute)
				for i := range p.Status.ContainerStatuses {
					if p.Status.ContainerStatuses[i].RestartCount > 0 {
						p.Status.ContainerStatuses[i].RestartCount++
					}
				}
				if _, err := w.Client.CoreV1().Pods(w.Namespace).UpdateStatus(t.Context(), p, metav1.UpdateOptions{}); err != nil {
					t.Fatal(err)
				}
				found, _, err := w.look(t.Context())
				if err != nil {
					t.Fatal(err)
				}
				if len(found) == 0 {
					t.Error("what is wrong is not told")
				}
				return slices.ContainsFunc(found, func(f finding) bool { return f.lasting })
			}
			for range 5 {
				if look() {
					t.Fatal("what was wrong before ends the update during the build")
				}
			}
			building = false
			if test.update != nil {
				test.update(d)
				if _, err := w.Client.AppsV1().Deployments(w.Namespace).Update(t.Context(), d, metav1.UpdateOptions{}); err != nil {
					t.Fatal(err)
				}
			}
			if first := look(); first {
				t.Error("one crash or refusal ends the update")
			}
			if second := look(); second != test.lasting {
				t.Errorf("the update ends: %t, want %t", second, test.lasting)
			}
		})
	}
}

func TestGoneAndRefused(t *testing.T) {
	t.Parallel()
	gone := pod(t, "containerStatuses: [{name: echo, state: {waiting: {reason: ErrImagePull}}}]")
	gone.DeletionTimestamp, gone.Finalizers = &metav1.Time{Time: begin}, []string{"test/held"}
	refused := &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Name: "echo", Namespace: "grpc-edge"}}
	refused.Status.Conditions = []appsv1.DeploymentCondition{{
		Type: appsv1.DeploymentReplicaFailure, Status: corev1.ConditionTrue, Reason: "FailedCreate", Message: `pods "echo-1" is forbidden: violates PodSecurity`,
	}}
	found, _, err := watcher(begin, gone, refused).look(t.Context())
	want := `deployment echo: a pod is refused: FailedCreate: pods "echo-1" is forbidden: violates PodSecurity`
	if got := texts(found); err != nil || got != want {
		t.Errorf("got %q, %v; want %q", got, err, want)
	}
}

func TestWatchEnds(t *testing.T) {
	t.Parallel()
	const crashed = "containerStatuses: [{name: echo, restartCount: 1, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 2, reason: Error}}}]"
	var said []string
	w := watcher(begin, pod(t, crashed))
	w.before, w.Say = map[types.UID]int64{}, func(text string) { said = append(said, text) }
	err := w.Watch(t.Context())
	// The fake cluster has these words for each log.
	const want = "pod echo-1: container echo ended 2 times: Error, exit code 2\nThe end of its log:\n  fake logs"
	if err == nil || err.Error() != want {
		t.Errorf("got %v, want %s", err, want)
	}
	if len(said) != 1 || said[0] != "pod echo-1: container echo ended 2 times: Error, exit code 2" {
		t.Errorf("said %q", said)
	}
}

// TestRolledOut watches Deployments after Pulumi has finished, which also happens when it mistakes
// the old ReplicaSet for the new one.
func TestRolledOut(t *testing.T) {
	t.Parallel()
	const (
		crashed   = "containerStatuses: [{name: echo, restartCount: 7, state: {waiting: {reason: CrashLoopBackOff}}, lastState: {terminated: {exitCode: 1, reason: Error}}}]"
		forbidden = "observedGeneration: 2, replicas: 1, availableReplicas: 1, conditions: [{type: ReplicaFailure, status: 'True', reason: FailedCreate, message: denied}]"
	)
	for name, test := range map[string]struct {
		status, pod string
		// crashes is the number of crashes of the pod while it is watched.
		crashes int32
		// want is the error; empty for none.
		want string
		// waits reports whether the watch goes on.
		waits bool
	}{
		"rolled out":         {status: "observedGeneration: 2, replicas: 2, updatedReplicas: 2, availableReplicas: 2"},
		"more pods to come":  {status: "observedGeneration: 2, replicas: 2, updatedReplicas: 2, availableReplicas: 1", pod: crashed, crashes: 2},
		"not yet seen":       {status: "observedGeneration: 1, replicas: 1, updatedReplicas: 1, availableReplicas: 1", waits: true},
		"pods of before":     {status: "observedGeneration: 2, replicas: 2, updatedReplicas: 1, availableReplicas: 1", waits: true},
		"none serves":        {status: "observedGeneration: 2, replicas: 1, updatedReplicas: 1", waits: true},
		"not allowed":        {status: forbidden, want: "deployment echo: a pod is refused: FailedCreate: denied"},
		"crashed before":     {status: "observedGeneration: 2, replicas: 1, updatedReplicas: 1", pod: crashed, waits: true},
		"crashes once":       {status: "observedGeneration: 2, replicas: 1, updatedReplicas: 1", pod: crashed, crashes: 1, waits: true},
		"crashes repeatedly": {status: "observedGeneration: 2, replicas: 1, updatedReplicas: 1", pod: crashed, crashes: 2, want: "pod echo-1: container echo ended 2 times: Error, exit code 1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				d, set, p := deployed(t, "{"+test.status+"}", test.pod)
				w := watcher(begin, d, set, p)
				w.Now, w.All = time.Now, true
				ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
				defer cancel()
				crash := time.AfterFunc(grace, func() {
					if test.crashes > 0 {
						p.Status.ContainerStatuses[0].RestartCount += test.crashes
						_, _ = w.Client.CoreV1().Pods(w.Namespace).UpdateStatus(ctx, p, metav1.UpdateOptions{})
					}
				})
				defer crash.Stop()
				err := w.Watch(ctx)
				if waits := ctx.Err() != nil; waits != test.waits {
					t.Errorf("the watch goes on: %t, want %t", waits, test.waits)
				}
				got := ""
				if err != nil {
					got, _, _ = strings.Cut(err.Error(), "\n")
				}
				if got != test.want {
					t.Errorf("got %q, want %q", got, test.want)
				}
			})
		})
	}
}
