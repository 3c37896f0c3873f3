// Package breach reports which rules of docs/contract.md a pod's image breaks, from
// what Kubernetes and the program itself report. Those reports name probes and exit
// codes, but the authors of the program need to know what to change.
package breach

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
)

// contract names the document that explains each sentence.
const contract = "docs/contract.md"

// Of lists the rules that the image of a pod breaks, the most telling first, each as one
// sentence that says what to do. It is empty if the pod shows no sign of any. It takes the
// events of the pod, and the newest log lines of the container that does not run: those of its
// last run if it has ended.
func Of(pod *corev1.Pod, events []corev1.Event, log string) []string {
	said := said{
		log:    log,
		events: messages(events),
		status: statuses(pod),
		ended:  slices.ContainsFunc(containers(pod), hasEnded),
	}
	var found []string
	for _, sign := range signs {
		if text, ok := sign.find(said); ok && sign.pattern.MatchString(text) {
			found = append(found, sign.breach+" ("+contract+", "+sign.section+")")
		}
	}
	return append(found, ended(pod, len(found) > 0)...)
}

// said holds what is known of a pod, as text.
type said struct {
	log, events, status string
	// ended reports that a program has ended.
	ended bool
}

func logged(s said) (string, bool)   { return s.log, s.log != "" }
func reported(s said) (string, bool) { return s.status + "\n" + s.events, true }

// probed returns what probes say, unless the program ended by itself: then they failed because
// it was gone. The kubelet reports the containers that it ends ("Container %s failed startup
// probe, will be restarted"; pkg/kubelet/kuberuntime, Kubernetes).
func probed(s said) (string, bool) {
	return s.events, s.events != "" && (!s.ended || killed.MatchString(s.events))
}

var killed = regexp.MustCompile(`failed (startup|liveness) probe`)

// signs maps words of logs and events to what is broken. The words of probes come from
// Kubernetes' pkg/probe/grpc, and the words about starting from runc and containerd.
var signs = []struct {
	find    func(said) (string, bool)
	pattern *regexp.Regexp
	breach  string
	section string
}{
	{
		func(s said) (string, bool) { return s.log + "\n" + s.status + "\n" + s.events, true },
		regexp.MustCompile(`exec format error|no match for platform in manifest`),
		"the image is built for another processor than the nodes have", "Image",
	},
	{
		reported, regexp.MustCompile(`(StartError|RunContainerError|failed to create containerd task)[^\n]*no such file or directory`),
		"the program that ENTRYPOINT names is not in the image, or needs a loader or an interpreter that is not", "Image",
	},
	{
		reported, regexp.MustCompile(`(StartError|RunContainerError|failed to create containerd task)[^\n]*permission denied`),
		"the program that ENTRYPOINT names may not be run by user 65532: give it the mode 0755, and its folders too", "User",
	},
	{
		reported, regexp.MustCompile(`no command specified`),
		"the image does not say what to run: it has neither ENTRYPOINT nor CMD, and service.yaml no command", "Image",
	},
	{
		logged, regexp.MustCompile(`(?i)read-only file ?system|EROFS`),
		"the program writes to the root, which is read-only: have it write to the scratch space, or not at all", "Files",
	},
	{
		logged, regexp.MustCompile(`(?i)(bind|listen)[^\n]*(permission denied|EACCES)|EACCES[^\n]*(bind|listen)`),
		"the program listens on a port below 1024, which needs root: it must listen on the port that the variable PORT says", "Port",
	},
	{
		logged, regexp.MustCompile(`(?i)permission denied|EACCES`),
		"a file of the image may not be read or written by user 65532, which pods run as: use `COPY --chown=65532:65532`, or make it readable by all", "User",
	},
	{
		probed, regexp.MustCompile(`does not implement the grpc health protocol`),
		"the program answers by gRPC on port 8080, and has no health service: it must serve grpc.health.v1.Health there", "Health",
	},
	{
		probed, regexp.MustCompile(`failed to connect service`),
		"nothing speaks gRPC on port 8080: the program must listen on the port that the variable PORT says, on all addresses (not 127.0.0.1) and without TLS", "Port",
	},
	{
		probed, regexp.MustCompile(`health rpc did not complete`),
		"the health service does not answer within a second: it must not wait for anything", "Health",
	},
	{
		probed, regexp.MustCompile(`responded with \\?"(NOT_SERVING|UNKNOWN|SERVICE_UNKNOWN)`),
		"the health of the whole server, which has the empty name, is not SERVING: the program must set it once it can take calls", "Health",
	},
}

// ended returns which programs ended by themselves without an error, unless a better reason is
// known.
func ended(pod *corev1.Pod, known bool) []string {
	if known {
		return nil
	}
	var found []string
	for _, status := range containers(pod) {
		for _, last := range []*corev1.ContainerStateTerminated{status.State.Terminated, status.LastTerminationState.Terminated} {
			if last == nil || last.ExitCode != 0 {
				continue
			}
			found = append(found, fmt.Sprintf("the program of container %s ended by itself, without an error: a service runs until it gets SIGTERM (%s, Start and stop)",
				status.Name, contract))
			break
		}
	}
	return found
}

// containers returns the statuses of the containers that run as long as the pod, and none for a
// pod that is being deleted.
func containers(pod *corev1.Pod) []corev1.ContainerStatus {
	if pod.DeletionTimestamp != nil {
		return nil // it was told to end
	}
	return pod.Status.ContainerStatuses
}

func hasEnded(status corev1.ContainerStatus) bool {
	return status.State.Terminated != nil || status.LastTerminationState.Terminated != nil
}

func messages(events []corev1.Event) string {
	var text strings.Builder
	for _, event := range events {
		fmt.Fprintf(&text, "%s: %s\n", event.Reason, event.Message)
	}
	return text.String()
}

func statuses(pod *corev1.Pod) string {
	var text strings.Builder
	for _, status := range containers(pod) {
		if waiting := status.State.Waiting; waiting != nil {
			fmt.Fprintf(&text, "%s: %s\n", waiting.Reason, waiting.Message)
		}
		for _, last := range []*corev1.ContainerStateTerminated{status.State.Terminated, status.LastTerminationState.Terminated} {
			if last != nil {
				fmt.Fprintf(&text, "%s: %s\n", last.Reason, last.Message)
			}
		}
	}
	return text.String()
}
