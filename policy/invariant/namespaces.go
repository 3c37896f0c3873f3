package invariant

import "slices"

const (
	namespaceType     = "kubernetes:core/v1:Namespace"
	networkPolicyType = "kubernetes:networking.k8s.io/v1:NetworkPolicy"
	budgetType        = "kubernetes:policy/v1:PodDisruptionBudget"
	autoscalerType    = "kubernetes:autoscaling/v2:HorizontalPodAutoscaler"
)

// namespaceRules returns the rules about the objects that must surround pods.
func namespaceRules() []Rule {
	return []Rule{
		{
			Name:   "namespace-restricted",
			What:   "Every namespace admits only pods of the profile restricted.",
			Why:    "It applies to every pod in the namespace, however it is created.",
			Source: `Kubernetes, "Enforce Pod Security Standards with Namespace Labels"`,
			resource: on(func(n value) []finding {
				return n.at("metadata.labels").key("pod-security.kubernetes.io/enforce").must("restricted")
			}, namespaceType),
		},
		{
			Name:   "namespace-closed",
			What:   "In every namespace, a NetworkPolicy for all pods denies all traffic, in and out.",
			Why:    "A pod without a policy can connect to everything, and everything to it.",
			Source: `Kubernetes, "Network Policies", default deny all`,
			stack:  closed,
		},
		{
			Name:   "workload-policy",
			What:   "Every workload has its own NetworkPolicy, which says who may connect to it.",
			Why:    "Nobody can review access that no policy names, and it is opened in a hurry when something does not work.",
			Source: `GKE, "Control communication between Pods and Services using network policies"`,
			stack:  selected(networkPolicyType, "spec.podSelector", runs, "must be selected by a NetworkPolicy with a podSelector of its own"),
		},
		{
			Name:   "workload-budget",
			What:   "A workload of more than one pod has a PodDisruptionBudget.",
			Why:    "An upgrade of the nodes may otherwise take all of its pods at once.",
			Source: `Kubernetes, "Specifying a Disruption Budget for your Application"`,
			stack:  selected(budgetType, "spec.selector", replicated, "must be selected by a PodDisruptionBudget, as there is more than one"),
		},
	}
}

// closed reports namespaces without a policy that selects all pods and allows nothing.
func closed(resources []Resource) []finding {
	denies := func(p Resource, namespace value) bool {
		spec := all(p).at("spec")
		return all(p).at("metadata.namespace").same(namespace) && selectsAll(spec.at("podSelector")) &&
			spec.at("policyTypes").has("Ingress") && spec.at("policyTypes").has("Egress") &&
			len(spec.at("ingress").items()) == 0 && len(spec.at("egress").items()) == 0
	}
	var found []finding
	for _, n := range ofType(resources, namespaceType) {
		name := all(n).at("metadata.name")
		if !slices.ContainsFunc(ofType(resources, networkPolicyType), func(p Resource) bool { return denies(p, name) }) {
			found = append(found, finding{n, name.path, "is " + name.show() +
				", must be the namespace of a NetworkPolicy with podSelector {}, policyTypes [Ingress, Egress] and no rules"})
		}
	}
	return found
}

func selectsAll(selector value) bool {
	return len(selector.at("matchExpressions").items()) == 0 &&
		(!selector.at("matchLabels").IsMap() || selector.at("matchLabels").AsMap().Len() == 0)
}

// selected returns a check that reports workloads whose pods no resource of a type selects.
// The path is that of the selector in the resource.
func selected(kind, path string, applies func(Resource, []Resource) bool, may string) func([]Resource) []finding {
	return func(resources []Resource) []finding {
		var found []finding
		for _, workload := range resources {
			if !applies(workload, resources) {
				continue
			}
			selects := func(r Resource) bool {
				return all(r).at("metadata.namespace").same(all(workload).at("metadata.namespace")) &&
					matches(all(r).at(path), template(workload).at("metadata.labels"))
			}
			if !slices.ContainsFunc(ofType(resources, kind), selects) {
				labels := template(workload).at("metadata.labels")
				found = append(found, finding{workload, labels.path, "is " + labels.show() + ", " + may})
			}
		}
		return found
	}
}

// matches reports whether a selector, of labels only, selects these labels but not all
// pods.
func matches(selector, labels value) bool {
	wanted := selector.at("matchLabels")
	if wanted.IsComputed() || labels.IsComputed() {
		return true
	}
	if selectsAll(selector) || !wanted.IsMap() {
		return false
	}
	for key := range wanted.AsMap().All {
		if !wanted.key(key).same(labels.key(key)) {
			return false
		}
	}
	return true
}

func runs(workload Resource, _ []Resource) bool { return !template(workload).IsNull() }

// replicated reports whether a workload has, or may be scaled to, several pods.
func replicated(workload Resource, resources []Resource) bool {
	if workload.Type != "kubernetes:apps/v1:Deployment" && workload.Type != "kubernetes:apps/v1:StatefulSet" {
		return false
	}
	if replicas := all(workload).at("spec.replicas"); replicas.IsNumber() && replicas.AsNumber() > 1 {
		return true
	}
	return slices.ContainsFunc(ofType(resources, autoscalerType), func(r Resource) bool {
		target, metadata := all(r).at("spec.scaleTargetRef.name"), all(workload).at("metadata")
		return target.IsString() && target.same(metadata.at("name")) && all(r).at("metadata.namespace").same(metadata.at("namespace"))
	})
}
