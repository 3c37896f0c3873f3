package breach

import (
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func waiting(reason, message string) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: "shop", State: corev1.ContainerState{Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: message}}}
}

func terminated(code int32, reason, message string) corev1.ContainerStatus {
	return corev1.ContainerStatus{Name: "shop", LastTerminationState: corev1.ContainerState{
		Terminated: &corev1.ContainerStateTerminated{ExitCode: code, Reason: reason, Message: message},
	}}
}

// TestOf has the words that kubelet, runc and programs really use.
func TestOf(t *testing.T) {
	t.Parallel()
	running := corev1.ContainerStatus{Name: "shop", State: corev1.ContainerState{Running: &corev1.ContainerStateRunning{}}}
	for name, test := range map[string]struct {
		status corev1.ContainerStatus
		event  string
		log    string
		want   string // a part of the first sentence; empty for none
	}{
		"all is well":     {running, "", "serving on port 8080", ""},
		"architecture":    {terminated(255, "Error", ""), "", "exec /app/shop: exec format error", "another processor"},
		"platform":        {waiting("ErrImagePull", `rpc error: code = NotFound desc = failed to pull and unpack image: no match for platform in manifest: not found`), "", "", "another processor"},
		"missing program": {terminated(128, "StartError", `failed to create containerd task: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: exec: "/app/none": stat /app/none: no such file or directory: unknown`), "", "", "not in the image"},
		"mode":            {terminated(128, "StartError", `failed to create containerd task: exec: "/app/shop": permission denied: unknown`), "", "", "may not be run by user 65532"},
		"read-only":       {terminated(1, "Error", ""), "", "OSError: [Errno 30] Read-only file system: '/var/cache/shop'", "which is read-only"},
		"read-only, Node": {terminated(1, "Error", ""), "", "Error: EROFS: read-only file system, mkdir '/app/tmp'", "which is read-only"},
		"privileged port": {terminated(1, "Error", ""), "", "listen tcp :80: bind: permission denied", "below 1024"},
		"unreadable file": {terminated(1, "Error", ""), "", "PermissionError: [Errno 13] Permission denied: '/app/config.yaml'", "may not be read or written"},
		"no health": {running, `Startup probe failed: error: this server does not implement the grpc health protocol (grpc.health.v1.Health): unknown service grpc.health.v1.Health`,
			"", "no health service"},
		"another port": {running, `Startup probe failed: timeout: failed to connect service "10.8.0.7:8080" within 1s: context deadline exceeded`,
			"listening on 50051", "nothing speaks gRPC on port 8080"},
		"panics before it listens": {terminated(2, "Error", ""), `Startup probe failed: timeout: failed to connect service "10.8.0.7:8080" within 1s`, "panic: no database", ""},
		"is ended by the kubelet": {terminated(2, "Error", ""), `Startup probe failed: timeout: failed to connect service "10.8.0.7:8080" within 1s
Killing: Container shop failed startup probe, will be restarted`, "", "nothing speaks gRPC on port 8080"},
		"slow health": {running, `Readiness probe failed: timeout: health rpc did not complete within 1s`, "", "within a second"},
		"not serving": {running, `Readiness probe failed: service unhealthy (responded with "NOT_SERVING")`, "", "is not SERVING"},
		"ends":        {terminated(0, "Completed", ""), "Back-off restarting failed container", "", "ended by itself"},
		"fails":       {terminated(1, "Error", ""), "Back-off restarting failed container", "panic: no database", ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			pod := &corev1.Pod{Status: corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{test.status}}}
			var events []corev1.Event
			if test.event != "" {
				events = append(events, corev1.Event{Reason: "Unhealthy", Message: test.event})
			}
			got := Of(pod, events, test.log)
			if test.want == "" && len(got) != 0 || test.want != "" && (len(got) == 0 || !strings.Contains(got[0], test.want)) {
				t.Errorf("got %q, want what says %q", got, test.want)
			}
		})
	}
}

func TestAPodThatIsDeletedBreaksNothing(t *testing.T) {
	t.Parallel()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{DeletionTimestamp: &metav1.Time{Time: time.Unix(0, 0)}},
		Status:     corev1.PodStatus{ContainerStatuses: []corev1.ContainerStatus{terminated(0, "Completed", "")}},
	}
	if got := Of(pod, nil, ""); len(got) != 0 {
		t.Errorf("got %q, want nothing", got)
	}
}
