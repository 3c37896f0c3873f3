package invariant

// networkRules returns the rules about the VPC.
func networkRules() []Rule {
	return []Rule{
		{
			Name:     "network-custom",
			What:     "The VPC has the subnets that somebody chose, not one in every region.",
			Why:      "Automatic subnets open ranges in regions that nobody watches, and overlap with those of every other such network.",
			Source:   `VPC, "VPC networks", subnet creation mode`,
			resource: on(func(n value) []finding { return n.at("autoCreateSubnetworks").must(false) }, "gcp:compute/network:Network"),
		},
		{
			Name:     "subnet-private-access",
			What:     "Machines without a public address reach Google's APIs over Google's own network.",
			Why:      "Private nodes could otherwise pull no image and write no log, or need a way to the internet for it.",
			Source:   `VPC, "Private Google Access"`,
			resource: on(func(s value) []finding { return s.at("privateIpGoogleAccess").must(true) }, "gcp:compute/subnetwork:Subnetwork"),
		},
		{
			Name:   "nat-logs-errors",
			What:   "A NAT gateway logs errors, and errors only.",
			Why:    "Dropped connections are invisible without a log, and a log of every connection is billed by its volume.",
			Source: `Cloud NAT, "Logs and metrics"`,
			resource: on(func(nat value) []finding {
				return concat(nat.at("logConfig.enable").must(true), nat.at("logConfig.filter").must("ERRORS_ONLY"))
			}, "gcp:compute/routerNat:RouterNat"),
		},
	}
}
