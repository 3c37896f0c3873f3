package compute

import "example.com/grpc-edge/sandbox/gcp"

// firewallResource creates the firewall rules that GKE adds for a load balancer. Stacks have none of their own.
var firewallResource = &gcp.Resource{
	Kind: KindFirewall, Noun: "firewall", Name: "projects/{project}/global/firewalls/{name}",
	Permissions: permissionsOf("firewalls", "compute.globalOperations.get", policy),
	Quota:       gcp.Quota{Metric: "FIREWALLS", Limit: 100},
	Admit:       admitFirewall,
}

func admitFirewall(t *gcp.Change) error {
	network, err := t.LookUp(KindNetwork, t.New.Config.Text("network"))
	if err != nil {
		return err
	}
	t.New.Uses = []string{network.Name}
	t.New.Status["selfLink"] = LinkBase + t.New.Name
	return nil
}
