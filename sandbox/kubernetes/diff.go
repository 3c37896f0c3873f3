package kubernetes

import (
	"context"
	"regexp"
	"slices"
	"strings"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"example.com/grpc-edge/sandbox/property"
)

// fixed are the properties, by group and kind, that cannot be changed in place:
// the forceNew table of pulumi-kubernetes (provider/pkg/provider/diff.go).
// metadata.name and metadata.namespace are fixed for all.
var fixed = map[string][]string{
	"Deployment.apps": {"spec.selector"},
	"DaemonSet.apps":  {"spec.selector"},
	"StatefulSet.apps": {"spec.podManagementPolicy", "spec.revisionHistoryLimit", "spec.selector",
		"spec.serviceName", "spec.volumeClaimTemplates"},
	"Job.batch": {"spec.completions", "spec.parallelism", "spec.selector", "spec.template"},
	"ClusterRoleBinding.rbac.authorization.k8s.io": {"roleRef"},
	"RoleBinding.rbac.authorization.k8s.io":        {"roleRef"},
	"StorageClass.storage.k8s.io":                  {"parameters", "provisioner"},
	"ConfigMap":                                    {"binaryData", "data"},
	"Secret":                                       {"data", "stringData", "type"},
	"Service":                                      {"spec.clusterIP"},
	"ResourceQuota":                                {"spec.scopes"},
	"PersistentVolumeClaim": {"spec.accessModes", "spec.selector", "spec.storageClassName",
		"spec.volumeName"},
	"PersistentVolume": under("spec", "awsElasticBlockStore azureDisk azureFile cephfs cinder csi fc flexVolume "+
		"flocker gcePersistentDisk glusterfs hostPath iscsi local nfs photonPersistentDisk portworxVolume quobyte "+
		"rbd scaleIO storageos vsphereVolume"),
	"Pod": slices.Concat(
		under("spec", "affinity automountServiceAccountToken dnsConfig dnsPolicy enableServiceLinks hostAliases hostIPC "+
			"hostNetwork hostPID hostname imagePullSecrets nodeName nodeSelector overhead preemptionPolicy priority "+
			"priorityClassName readinessGates restartPolicy runtimeClassName schedulerName securityContext "+
			"serviceAccount serviceAccountName shareProcessNamespace subdomain terminationGracePeriodSeconds volumes"),
		under("spec.containers[*]", containerProperties), under("spec.initContainers[*]", containerProperties)),
}

const containerProperties = "args command env image imagePullPolicy lifecycle livenessProbe ports readinessProbe " +
	"resources securityContext stdin stdinOnce terminationMessagePath terminationMessagePolicy tty volumeDevices " +
	"volumeMounts workingDir"

func under(parent, names string) []string {
	var paths []string
	for _, name := range strings.Fields(names) {
		paths = append(paths, parent+"."+name)
	}
	return paths
}

// Diff compares what the program says now with what it said, or with what a
// refresh found, before.
func (p *provider) Diff(ctx context.Context, req *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	i, _, done, err := p.start(ctx)
	if err != nil {
		return nil, err
	}
	defer done()
	news, olds := objectOf(req.GetNews()), objectOf(req.GetOlds())
	rules := i.cluster.fixed(news)
	resp, err := property.Diff(req.GetOldInputs(), req.GetNews(), func(path string) bool {
		return slices.ContainsFunc(rules, func(rule string) bool { return touches(path, rule) })
	})
	if err != nil {
		return nil, err
	}
	// Two objects of one name cannot be there at once. A name that was chosen here
	// is chosen again for the replacement.
	resp.DeleteBeforeReplace = len(resp.Replaces) > 0 && idOf(news) == idOf(olds) &&
		news.GetAnnotations()[annotationAutonamed] != "true"
	return resp, nil
}

// fixed returns the properties that a change of replaces the object.
func (c *cluster) fixed(obj *unstructured.Unstructured) []string {
	rules := []string{"metadata.name", "metadata.namespace"}
	immutable, _, _ := unstructured.NestedBool(obj.Object, "immutable")
	switch {
	case isKind(obj, "ConfigMap") && c.mutableConfigMaps && !immutable:
	case isKind(obj, "Secret") && c.mutableSecrets && !immutable:
		rules = append(rules, "type") // the API server lets no Secret change it
	default:
		rules = append(rules, fixed[obj.GroupVersionKind().GroupKind().String()]...)
	}
	return rules
}

var listIndex = regexp.MustCompile(`\[\d+\]`)

// touches tells whether a change at the path changes what the rule names: it is
// at the same place, inside of it or around it.
func touches(path, rule string) bool {
	path = listIndex.ReplaceAllString(path, "[*]")
	inside := func(inner, outer string) bool {
		rest, found := strings.CutPrefix(inner, outer)
		return found && (rest == "" || rest[0] == '.' || rest[0] == '[')
	}
	return inside(path, rule) || inside(rule, path)
}
