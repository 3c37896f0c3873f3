package service

import (
	"fmt"
	"maps"
	"slices"
	"strconv"

	corev1 "github.com/pulumi/pulumi-kubernetes/sdk/v4/go/kubernetes/core/v1"
	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/infra/workload"
	"example.com/grpc-edge/services/catalog"
)

// container returns the container of the service's program.
func container(args *Args, mounts *mounts) *corev1.ContainerArgs {
	spec := args.Spec
	c := &corev1.ContainerArgs{
		Name:      pulumi.String(args.Name),
		Image:     args.Image,
		Env:       append(environment(args), mounts.variables...),
		Ports:     corev1.ContainerPortArray{corev1.ContainerPortArgs{Name: pulumi.String("grpc"), ContainerPort: pulumi.Int(Port)}},
		Resources: resources(spec),
	}
	// Empty ones would show in every diff.
	if len(spec.Command) > 0 {
		c.Command = pulumi.ToStringArray(spec.Command)
	}
	if len(spec.Args) > 0 {
		c.Args = pulumi.ToStringArray(spec.Args)
	}
	if len(mounts.mounts) > 0 {
		c.VolumeMounts = mounts.mounts
	}
	// Without a service name the probe asks for the health of the whole server.
	workload.Probes(c, corev1.ProbeArgs{Grpc: corev1.GRPCActionArgs{Port: pulumi.Int(Port)}}, spec.StartupSeconds)
	return c
}

// environment returns the environment variables that are not secret.
func environment(args *Args) corev1.EnvVarArray {
	spec := args.Spec
	list := corev1.EnvVarArray{
		workload.Variable("PORT", strconv.Itoa(Port)),
		workload.Variable("TERMINATION_BUDGET", workload.Budget(Termination(spec)).String()),
		workload.Variable("MAX_CALLS", strconv.Itoa(spec.MaxCalls)),
		workload.Variable("GOMEMLIMIT", goMemory(spec)),
	}
	for _, name := range slices.Sorted(maps.Keys(spec.Environment)) {
		list = append(list, workload.Variable(name, spec.Environment[name]))
	}
	for _, callee := range spec.Calls {
		list = append(list, workload.Variable(catalog.TargetVariable(callee), Target(args.NamespaceName, callee)))
	}
	if args.OTLP != nil {
		list = append(list, telemetry(args)...)
	}
	return list
}

// telemetry returns the variables of OpenTelemetry that the service does not set itself
// (OpenTelemetry, "OTLP Exporter Configuration").
//
// Without the protocol, the libraries of most languages send HTTP. The collector's port takes
// gRPC, as Envoy sends it.
func telemetry(args *Args) corev1.EnvVarArray {
	var list corev1.EnvVarArray
	for _, v := range []struct{ name, value string }{
		{"OTEL_SERVICE_NAME", args.Name},
		{"OTEL_EXPORTER_OTLP_ENDPOINT", args.OTLP.Endpoint},
		{"OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"},
	} {
		_, plain := args.Spec.Environment[v.name]
		secret, encrypted := args.Spec.Secrets[v.name]
		if !plain && (!encrypted || secret.File != "") {
			list = append(list, workload.Variable(v.name, v.value))
		}
	}
	return list
}

// Target returns the gRPC target of a service's pods (gRPC, "gRPC Name Resolution").
func Target(namespace, name string) string {
	return fmt.Sprintf("dns:///%s:%d", Host(namespace, name), Port)
}

// goMemory returns GOMEMLIMIT, nine tenths of the memory limit. Near it, Go's garbage
// collector works harder; at the memory limit the kernel would kill the process.
func goMemory(spec catalog.Spec) string {
	return fmt.Sprintf("%dMiB", max(1, spec.MemoryLimitBytes()*9/10>>20))
}

func resources(spec catalog.Spec) corev1.ResourceRequirementsArgs {
	limit := memoryLimit(spec)
	r := workload.Resources(spec.CPU, spec.Memory, limit)
	if len(spec.Scratch) > 0 {
		r.Requests = pulumi.StringMap{"cpu": pulumi.String(spec.CPU), "memory": pulumi.String(spec.Memory), "ephemeral-storage": pulumi.String(storage(spec))}
	}
	if spec.CPULimit != "" {
		r.Limits = pulumi.StringMap{"memory": pulumi.String(limit), "cpu": pulumi.String(spec.CPULimit)}
	}
	return r
}

// logs is the space for a container's logs: the kubelet keeps five files of 10 MiB.
const logs = 64 << 20

// storage returns the disk space that a pod may use. In Autopilot, a pod that uses more than
// it requests is evicted, and without a request that is 1 GiB.
func storage(spec catalog.Spec) string {
	total := int64(logs)
	for _, size := range spec.Scratch {
		bytes, _ := catalog.Bytes(size) // checked
		total += bytes
	}
	return fmt.Sprintf("%dKi", total>>10)
}

// memoryLimit returns the limit as a quantity of Kubernetes.
func memoryLimit(spec catalog.Spec) string {
	bytes := spec.MemoryLimitBytes()
	switch {
	case spec.MemoryLimit != "":
		return spec.MemoryLimit
	case bytes%(1<<20) == 0:
		return fmt.Sprintf("%dMi", bytes>>20)
	}
	return fmt.Sprintf("%dKi", bytes>>10)
}
