package invariant

import "strings"

const cloudPlatform = "https://www.googleapis.com/auth/cloud-platform"

// nodeRules returns the rules about the machines of the cluster.
func nodeRules() []Rule {
	return []Rule{
		{
			Name:   "node-account",
			What:   "Nodes have their own service account.",
			Why:    "Compute Engine's default account may edit the whole project.",
			Source: `GKE, "Harden your cluster's security"`,
			resource: func(r Resource) []finding {
				return concat(
					nodes(func(node value) []finding { return account(node.at("serviceAccount")) })(r),
					on(autopilotAccount, clusterType)(r),
				)
			},
		},
		{
			Name:     "node-scopes",
			What:     "Nodes have the one scope cloud-platform, so that IAM alone says what they may do.",
			Why:      "Scopes are older and coarser than IAM, and apply only to OAuth requests.",
			Source:   `Compute Engine, "Service accounts"`,
			resource: nodes(func(node value) []finding { return scopes(node.at("oauthScopes")) }),
		},
		{
			Name:   "shielded-nodes",
			What:   "Nodes are Shielded VMs, with secure boot and integrity monitoring.",
			Why:    "Otherwise an attacker on a node can persist below the kernel, through a reboot.",
			Source: `GKE, "Using Shielded GKE nodes"`,
			resource: func(r Resource) []finding {
				return concat(
					on(standard(func(c value) []finding { return c.at("enableShieldedNodes").must(true) }), clusterType)(r),
					nodes(shielded)(r),
				)
			},
		},
		{
			Name:   "nodes-upgraded",
			What:   "GKE repairs and upgrades nodes.",
			Why:    "Nodes that nobody upgrades keep known vulnerabilities.",
			Source: `GKE, "Harden your cluster's security"`,
			resource: on(func(p value) []finding {
				return concat(p.at("management.autoUpgrade").must(true), p.at("management.autoRepair").must(true))
			}, nodePoolType),
		},
		{
			Name:     "node-image",
			What:     "Nodes run Container-Optimized OS with containerd.",
			Why:      "It has no package manager, a read-only root, and Google's own patches.",
			Source:   `GKE, "Node images"`,
			resource: on(func(p value) []finding { return p.at("nodeConfig.imageType").must("COS_CONTAINERD") }, nodePoolType),
		},
	}
}

// nodes returns a check of the configuration of nodes: in a pool, and in the default pool
// of a cluster while it exists. It skips Autopilot clusters, where Google chooses.
func nodes(check func(node value) []finding) func(Resource) []finding {
	return func(r Resource) []finding {
		config := func(owner value) []finding { return check(owner.at("nodeConfig")) }
		return concat(on(config, nodePoolType)(r), on(standard(config), clusterType)(r))
	}
}

// autopilotAccount checks the service account of nodes in an Autopilot cluster, which the
// stack has to set.
func autopilotAccount(cluster value) []finding {
	if !cluster.at("enableAutopilot").isTrue() {
		return nil
	}
	return account(cluster.at("clusterAutoscaling.autoProvisioningDefaults.serviceAccount"))
}

// account reports a service account that was not created for the nodes.
func account(email value) []finding {
	if email.is("default") || strings.HasSuffix(email.text(), "-compute@developer.gserviceaccount.com") || email.is(nil) {
		return email.wrong("must be the email of a service account made for the nodes")
	}
	return nil
}

func scopes(list value) []finding {
	if items := list.items(); list.IsComputed() || len(items) == 1 && (items[0].is(cloudPlatform) || items[0].IsComputed()) {
		return nil
	}
	return list.wrong("must be [" + word(cloudPlatform) + "]")
}

func shielded(node value) []finding {
	config := node.at("shieldedInstanceConfig")
	return concat(config.at("enableSecureBoot").must(true), config.at("enableIntegrityMonitoring").must(true))
}
