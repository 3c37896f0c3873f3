package cluster

// crd describes one kind of custom resource of managed collection.
type crd struct {
	Kind, Singular, Plural, Scope string
	// Labels are the metadata labels that targets may get. DefaultLabels are the labels they get
	// by default. Both are YAML lists without brackets.
	Labels, DefaultLabels string
}

// prometheusKinds lists the custom resources of a cluster with managed collection ("Get started
// with managed collection", Google Cloud Managed Service for Prometheus). Where a program may go
// wrong, their schemas match github.com/GoogleCloudPlatform/prometheus-engine. Nothing here
// scrapes.
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
