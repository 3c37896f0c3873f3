package invariant

import "net/netip"

const (
	clusterType  = "gcp:container/cluster:Cluster"
	nodePoolType = "gcp:container/nodePool:NodePool"
)

// clusterRules returns the rules about the cluster as a whole.
func clusterRules(s Settings) []Rule {
	return []Rule{
		{
			Name:     "control-plane-closed",
			What:     "Only named networks reach the Kubernetes API, or it is reached only by its DNS name, where IAM decides.",
			Why:      "If the whole internet reaches the API, one vulnerability or one stolen token is enough to take it over.",
			Source:   `GKE, "Customize your network isolation"`,
			resource: on(controlPlane, clusterType),
		},
		{
			Name:   "nodes-private",
			What:   "Nodes have no public IPv4 address.",
			Why:    "Otherwise a program that listens on a node by mistake is open to the internet.",
			Source: `GKE, "Customize your network isolation"`,
			resource: func(r Resource) []finding {
				return concat(
					on(func(c value) []finding { return c.at("privateClusterConfig.enablePrivateNodes").must(true) }, clusterType)(r),
					on(func(p value) []finding { return p.at("networkConfig.enablePrivateNodes").must(true, nil) }, nodePoolType)(r),
				)
			},
		},
		{
			Name:   "release-channel",
			What:   "The cluster follows a release channel.",
			Why:    "Outside a channel, nobody installs security patches automatically.",
			Source: `GKE, "About release channels"`,
			resource: on(func(c value) []finding {
				return c.at("releaseChannel.channel").must("RAPID", "REGULAR", "STABLE", "EXTENDED")
			}, clusterType),
		},
		{
			Name:     "network-policy-enforced",
			What:     "The cluster enforces network policies, with Dataplane V2.",
			Why:      "Without an engine, the API accepts a NetworkPolicy, and nothing enforces it.",
			Source:   `GKE, "About GKE Dataplane V2"`,
			resource: on(standard(func(c value) []finding { return c.at("datapathProvider").must("ADVANCED_DATAPATH") }), clusterType),
		},
		{
			Name:     "deletion-protection",
			What:     "The cluster's deletion protection is what the stack's deletionProtection says.",
			Why:      "Without it, one `pulumi destroy` in the wrong terminal deletes everything. With it, a test stack cannot be removed.",
			Source:   `Terraform provider for Google Cloud, "google_container_cluster", deletion_protection`,
			resource: on(func(c value) []finding { return protection(c, s) }, clusterType),
		},
	}
}

// accessRules returns the rules about who may use the cluster, and what its pods may use.
func accessRules() []Rule {
	return []Rule{
		{
			Name:     "no-legacy-access",
			What:     "IAM and RBAC control access to the cluster, not legacy ABAC, client certificates or passwords.",
			Why:      "ABAC grants rights that RBAC does not show, and a client certificate cannot be revoked.",
			Source:   `GKE, "Harden your cluster's security"`,
			resource: on(legacyAccess, clusterType),
		},
		{
			Name:   "workload-identity",
			What:   "Pods reach Google's APIs with an identity of their own, and never that of their node.",
			Why:    "A pod that reaches the node's metadata server has all rights of the node.",
			Source: `GKE, "About Workload Identity Federation for GKE"`,
			resource: func(r Resource) []finding {
				return concat(
					on(standard(func(c value) []finding { return c.at("workloadIdentityConfig.workloadPool").mustNot(nil, "") }), clusterType)(r),
					on(func(p value) []finding { return p.at("nodeConfig.workloadMetadataConfig.mode").must("GKE_METADATA") }, nodePoolType)(r),
				)
			},
		},
	}
}

// standard skips Autopilot clusters, where Google makes the setting and refuses it in a
// request (GKE, "Compare features in Autopilot and Standard clusters").
func standard(check func(value) []finding) func(value) []finding {
	return func(cluster value) []finding {
		if cluster.at("enableAutopilot").isTrue() {
			return nil
		}
		return check(cluster)
	}
}

func controlPlane(cluster value) []finding {
	if cluster.at("controlPlaneEndpointsConfig.ipEndpointsConfig.enabled").is(false) {
		return nil // only the DNS name remains
	}
	networks := cluster.at("masterAuthorizedNetworksConfig")
	if networks.IsNull() {
		return networks.wrong("must name the networks that may reach the control plane")
	}
	found := networks.at("gcpPublicCidrsAccessEnabled").must(false)
	for _, block := range networks.at("cidrBlocks").items() {
		cidr := block.at("cidrBlock")
		if prefix, err := netip.ParsePrefix(cidr.text()); err == nil && prefix.Bits() == 0 {
			found = append(found, cidr.wrong("must be a network that you work from, not everyone's")...)
		}
	}
	return found
}

func legacyAccess(cluster value) []finding {
	auth := cluster.at("masterAuth")
	return concat(
		cluster.at("enableLegacyAbac").must(false, nil),
		auth.at("clientCertificateConfig.issueClientCertificate").must(false, nil),
		auth.at("username").must(nil, ""),
		auth.at("password").must(nil, ""),
	)
}

func protection(cluster value, s Settings) []finding {
	protected := cluster.at("deletionProtection")
	if s.DeletionProtection == "" {
		return protected.must(true, false)
	}
	return protected.must(s.DeletionProtection == "true")
}
