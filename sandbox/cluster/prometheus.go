package cluster

// crd is one kind of custom resource of managed collection.
type crd struct {
	Kind, Singular, Plural, Scope string
	// Labels are the metadata labels that targets may get, DefaultLabels those they
	// get unless told otherwise; both as YAML lists without brackets.
	Labels, DefaultLabels string
}

// prometheusKinds are what a cluster with managed collection understands
// ("Get started with managed collection", Google Cloud Managed Service for
// Prometheus). Their schemas say what those of github.com/GoogleCloudPlatform/
// prometheus-engine say, where a program may go wrong; nothing here scrapes.
var prometheusKinds = struct{ Monitorings, Rules []crd }{
	Monitorings: []crd{
		{
			Kind: "PodMonitoring", Singular: "podmonitoring", Plural: "podmonitorings", Scope: "Namespaced",
			Labels:        "container, node, pod, top_level_controller_name, top_level_controller_type",
			DefaultLabels: "container, pod, top_level_controller_name, top_level_controller_type",
		},
		{
			Kind: "ClusterPodMonitoring", Singular: "clusterpodmonitoring", Plural: "clusterpodmonitorings", Scope: "Cluster",
			Labels:        "container, namespace, node, pod, top_level_controller_name, top_level_controller_type",
			DefaultLabels: "container, namespace, pod, top_level_controller_name, top_level_controller_type",
		},
	},
	Rules: []crd{
		{Kind: "Rules", Singular: "rules", Plural: "rules", Scope: "Namespaced"},
		{Kind: "ClusterRules", Singular: "clusterrules", Plural: "clusterrules", Scope: "Cluster"},
	},
}
