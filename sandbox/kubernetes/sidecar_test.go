package kubernetes

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	corev1 "k8s.io/api/core/v1"
)

// withSidecar is a Deployment with a native sidecar: an init container that keeps
// running ("Sidecar Containers", Kubernetes).
const withSidecar = deployment + `
      initContainers:
      - name: agent
        image: registry.test/agent:1
        restartPolicy: Always
        startupProbe: {httpGet: {path: /ready, port: 8081}}
`

func TestSidecarLifecycle(t *testing.T) {
	t.Parallel()
	c, namespace := newClient(t)
	started := true
	playKubelet(t, namespace, corev1.PodStatus{
		Phase: corev1.PodRunning, Conditions: readyPod.Conditions,
		InitContainerStatuses: []corev1.ContainerStatus{{Name: "agent", Ready: true, Started: &started,
			State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}},
	})
	s := c.mustCreate(deploymentToken, "echo", withSidecar)
	if resp := c.diff(s, manifest(t, withSidecar)); resp.Changes != pulumirpc.DiffResponse_DIFF_NONE {
		t.Errorf("the same inputs differ: %v", resp.DetailedDiff)
	}
	if got := mustRead(t, c, s); !cmp.Equal(got.Inputs.AsMap(), s.inputs.AsMap()) {
		t.Errorf("inputs read back differ (-set +read):\n%s", cmp.Diff(s.inputs.AsMap(), got.Inputs.AsMap()))
	}
	newer := manifest(t, strings.ReplaceAll(withSidecar, "agent:1", "agent:2"))
	resp := c.diff(s, newer)
	if change := resp.DetailedDiff["spec.template.spec.initContainers[0].image"]; len(resp.DetailedDiff) != 1 ||
		change.GetKind() != pulumirpc.PropertyDiff_UPDATE || len(resp.Replaces) > 0 {
		t.Errorf("another image of the sidecar gives %v, replaces %v; want one update", resp.DetailedDiff, resp.Replaces)
	}
	if err := c.update(s, newer); err != nil {
		t.Fatal(err)
	}
	for _, pod := range mustPods(t, namespace) {
		sidecar := pod.Spec.InitContainers[0]
		if sidecar.Image != "registry.test/agent:2" || sidecar.RestartPolicy == nil || *sidecar.RestartPolicy != corev1.ContainerRestartPolicyAlways {
			t.Errorf("after Update() returned, pod %s has the sidecar %s, restarted %v", pod.Name, sidecar.Image, sidecar.RestartPolicy)
		}
	}
	if err := c.delete(s); err != nil {
		t.Fatal(err)
	}
}

// The container of a pod whose sidecar does not start only waits: the message
// must name the sidecar.
func TestSidecarThatIsNotReadyIsExplained(t *testing.T) {
	t.Parallel()
	no := false
	running := corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}
	initializing := corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "PodInitializing"}}
	cases := map[string]struct {
		sidecar, main corev1.ContainerStatus
		want          []string
	}{
		"not started": {
			corev1.ContainerStatus{Name: "agent", Started: &no, State: running}, corev1.ContainerStatus{Name: "echo", State: initializing},
			[]string{"init container agent: runs, but has not started: its startup probe", ": container echo: PodInitializing"},
		},
		"crashing": {
			corev1.ContainerStatus{Name: "agent", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: "CrashLoopBackOff", Message: "back-off 10s"}},
				LastTerminationState: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{ExitCode: 2, Reason: "Error"}}},
			corev1.ContainerStatus{Name: "echo", State: initializing},
			[]string{"init container agent: CrashLoopBackOff: back-off 10s", "init container agent: exited with code 2: Error"},
		},
		"not ready": {
			corev1.ContainerStatus{Name: "agent", State: running}, corev1.ContainerStatus{Name: "echo", Ready: true, State: running},
			[]string{"init container agent: runs, but is not ready"},
		},
	}
	for name, k := range cases {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, namespace := newClient(t)
			playKubelet(t, namespace, corev1.PodStatus{
				Phase:                 corev1.PodPending,
				InitContainerStatuses: []corev1.ContainerStatus{k.sidecar}, ContainerStatuses: []corev1.ContainerStatus{k.main},
			})
			_, err := c.create(deploymentToken, "echo", manifest(t, "metadata: {annotations: {pulumi.com/timeoutSeconds: '3'}}"+withSidecar))
			for _, want := range append(k.want, "not ready after 3s") {
				if !strings.Contains(fmt.Sprint(err), want) {
					t.Errorf("the error lacks %q:\n%v", want, err)
				}
			}
		})
	}
}
