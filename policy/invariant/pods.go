package invariant

import "strings"

const (
	restricted = `Kubernetes, "Pod Security Standards", Restricted`
	baseline   = `Kubernetes, "Pod Security Standards", Baseline`
)

// podRules returns the rules about every pod, whatever creates it.
func podRules() []Rule {
	return []Rule{
		{
			Name: "pod-not-root", Source: restricted,
			What:     "No container runs as root.",
			Why:      "An attacker who breaks out of a container as root is root on the node.",
			resource: eachContainer(notRoot),
		},
		{
			Name: "pod-no-privileges", Source: restricted,
			What:     "No container is privileged or can escalate its privileges.",
			Why:      "A privileged container has the node's rights, and a set-uid program gives them to any other container.",
			resource: eachContainer(noPrivileges),
		},
		{
			Name: "pod-no-capabilities", Source: restricted,
			What:     "Every container drops all capabilities, and adds none.",
			Why:      "Each capability is a part of root's rights, and a server on a port above 1023 needs none.",
			resource: eachContainer(noCapabilities),
		},
		{
			Name: "pod-read-only", Source: `Kubernetes, "Configure a Security Context for a Pod or Container"`,
			What: "The root file system of every container is read-only.",
			Why:  "An attacker cannot change a program or leave files behind.",
			resource: eachContainer(func(_, c value) []finding {
				return c.at("securityContext.readOnlyRootFilesystem").must(true)
			}),
		},
		{
			Name: "pod-seccomp", Source: restricted,
			What:     "Every container has the seccomp profile RuntimeDefault.",
			Why:      "Most kernel vulnerabilities are in system calls that a server never makes.",
			resource: eachContainer(seccomp),
		},
		{
			Name: "pod-not-on-host", Source: baseline,
			What:     "No pod uses the network, processes, files or ports of its node.",
			Why:      "Network policies do not apply to the node's network, and its files belong to every pod.",
			resource: pods(notOnHost),
		},
		{
			Name: "pod-resources", Source: `Kubernetes, "Resource Management for Pods and Containers"`,
			What:     "Every container requests CPU and memory, and has a memory limit.",
			Why:      "Without them, one memory leak takes the node down, and the scheduler cannot place pods well. CPU has no limit: a limit would slow a burst when there is room for it.",
			resource: eachContainer(resources),
		},
		{
			Name: "pod-no-token", Source: `Kubernetes, "Configure Service Accounts for Pods"`,
			What:     "A pod gets no token for the Kubernetes API, unless its annotation " + needsToken + " gives the reason.",
			Why:      "A server that never calls the API would hold a token to it for an attacker.",
			resource: pods(noToken),
		},
	}
}

// needsToken is the annotation with which a pod declares that it calls the API.
const needsToken = "grpc-edge/needs-token"

// template returns the pod template of a resource, with its metadata; null for resources
// that create no pods.
func template(r Resource) value {
	group, kind, _ := strings.Cut(strings.TrimPrefix(r.Type, "kubernetes:"), ":")
	switch group + " " + kind {
	case "apps/v1 Deployment", "apps/v1 StatefulSet", "apps/v1 DaemonSet", "apps/v1 ReplicaSet",
		"batch/v1 Job", "core/v1 ReplicationController":
		return all(r).at("spec.template")
	case "batch/v1 CronJob":
		return all(r).at("spec.jobTemplate.spec.template")
	case "core/v1 Pod":
		return all(r)
	}
	return value{}
}

// pods returns a check of the pods that a resource creates.
func pods(check func(pod value) []finding) func(Resource) []finding {
	return func(r Resource) []finding {
		if pod := template(r); !pod.IsNull() {
			return check(pod)
		}
		return nil
	}
}

// eachPod checks the pods of all resources.
func eachPod(resources []Resource, check func(pod value) []finding) []finding {
	var list []finding
	for _, r := range resources {
		for _, f := range pods(check)(r) {
			f.resource = r
			list = append(list, f)
		}
	}
	return list
}

// containers returns all containers of a pod, including sidecars.
func containers(pod value) []value {
	return append(pod.at("spec.containers").items(), pod.at("spec.initContainers").items()...)
}

func eachContainer(check func(pod, container value) []finding) func(Resource) []finding {
	return pods(func(pod value) []finding {
		return each(containers(pod), func(c value) []finding { return check(pod, c) })
	})
}

// setting returns a setting of a container's security context or, if it is not set there,
// of its pod's.
func setting(pod, container value, path string) value {
	if own := container.at("securityContext." + path); !own.IsNull() {
		return own
	}
	if common := pod.at("spec.securityContext." + path); !common.IsNull() {
		return common
	}
	return container.at("securityContext." + path)
}

func notRoot(pod, c value) []finding {
	return concat(
		setting(pod, c, "runAsNonRoot").must(true),
		setting(pod, c, "runAsUser").mustNot(0),
	)
}

func noPrivileges(_, c value) []finding {
	context := c.at("securityContext")
	return concat(
		context.at("allowPrivilegeEscalation").must(false),
		context.at("privileged").must(false, nil),
	)
}

func noCapabilities(_, c value) []finding {
	capabilities := c.at("securityContext.capabilities")
	found := capabilities.at("add").must(nil)
	drop := capabilities.at("drop")
	if drop.has("ALL") {
		return found
	}
	return append(found, drop.wrong(`must be ["ALL"]`)...)
}

func seccomp(pod, c value) []finding {
	return setting(pod, c, "seccompProfile.type").must("RuntimeDefault")
}

func notOnHost(pod value) []finding {
	spec := pod.at("spec")
	found := concat(
		spec.at("hostNetwork").must(false, nil),
		spec.at("hostPID").must(false, nil),
		spec.at("hostIPC").must(false, nil),
		each(spec.at("volumes").items(), func(volume value) []finding { return volume.at("hostPath").must(nil) }),
	)
	for _, c := range containers(pod) {
		found = append(found, each(c.at("ports").items(), func(port value) []finding { return port.at("hostPort").must(nil) })...)
	}
	return found
}

func resources(_, c value) []finding {
	return each([]value{
		c.at("resources.requests.cpu"), c.at("resources.requests.memory"), c.at("resources.limits.memory"),
	}, func(v value) []finding {
		if v.IsNull() {
			return v.wrong("must be a quantity, such as 50m of CPU or 64Mi of memory")
		}
		return nil
	})
}

func noToken(pod value) []finding {
	if reason := pod.at("metadata.annotations").key(needsToken); !reason.IsNull() {
		return reason.mustNot("")
	}
	return pod.at("spec.automountServiceAccountToken").must(false)
}
