package invariant

// networkRules returns the rules about the VPC.
func networkRules() []Rule {
	return []Rule{
		{
			Name:     "network-custom",
			What:     "The VPC has chosen subnets, not one in every region.",
			Why:      "Automatic subnets open ranges in regions that nobody monitors, and overlap with those of every other such network.",
			Source:   `VPC, "VPC networks", subnet creation mode`,
			resource: on(func(n value) []finding { return n.at("autoCreateSubnetworks").must(false) }, "gcp:compute/network:Network"),
		},
		{
			Name:     "subnet-private-access",
			What:     "Machines without a public address reach Google's APIs over Google's own network.",
			Why:      "Otherwise private nodes cannot pull images or write logs, or need internet access to do so.",
			Source:   `VPC, "Private Google Access"`,
			resource: on(func(s value) []finding { return s.at("privateIpGoogleAccess").must(true) }, "gcp:compute/subnetwork:Subnetwork"),
		},
		{
			Name:   "nat-logs-errors",
			What:   "A NAT gateway logs errors only.",
			Why:    "Without a log, dropped connections are invisible. A log of every connection is billed by volume.",
			Source: `Cloud NAT, "Logs and metrics"`,
			resource: on(func(nat value) []finding {
				return concat(nat.at("logConfig.enable").must(true), nat.at("logConfig.filter").must("ERRORS_ONLY"))
			}, "gcp:compute/routerNat:RouterNat"),
		},
	}
}
