package config

import "testing"

func TestAuthorizedNetworks(t *testing.T) {
	t.Parallel()
	reserved := func(network string) string {
		return "  grpc-edge:authorizedNetworks holds " + network +
			", which RFC 5737 reserves for documentation; put the addresses from which you run Pulumi"
	}
	tests := []struct{ networks, want string }{
		{`["192.0.2.0/24"]`, reserved("192.0.2.0/24")},
		{`["198.51.100.7/32"]`, reserved("198.51.100.7/32")},
		{`["10.0.0.0/8","203.0.113.128/25"]`, reserved("203.0.113.128/25")},
		{`["192.0.3.0/24","203.0.112.0/24"]`, ""},
		{`["203.0.112.0/23"]`, ""}, // others live there too
		{`["0.0.0.0/0"]`, ""},
	}
	for _, test := range tests {
		_, err := load(t, sandbox(t, map[string]string{"grpc-edge:authorizedNetworks": test.networks}))
		if got := message(err); got != test.want {
			t.Errorf("%s:\ngot  %s\nwant %s", test.networks, got, test.want)
		}
	}
}

// TestPodsFitTheNodes checks that each node takes a /24 of the range, and an upgrade brings one
// node more.
func TestPodsFitTheNodes(t *testing.T) {
	t.Parallel()
	const zone, region = "us-central1-a", ""
	tests := []struct{ location, nodes, pods, want string }{
		{zone, "1", "10.20.0.0/23", ""},
		{zone, "2", "10.20.0.0/23", "a /22 or larger: 2 nodes, and 1 more during an upgrade, take a /24 each"},
		{zone, "3", "10.20.0.0/22", ""},
		{zone, "4", "10.20.0.0/22", "a /21 or larger: 4 nodes, and 1 more during an upgrade, take a /24 each"},
		{zone, "255", "10.20.0.0/16", ""},
		{zone, "256", "10.20.0.0/16", "a /15 or larger: 256 nodes, and 1 more during an upgrade, take a /24 each"},
		{region, "1", "10.20.0.0/22", ""},
		{region, "1", "10.20.0.0/23", "a /22 or larger: 3 nodes, and 1 more during an upgrade, take a /24 each"},
		{region, "85", "10.20.0.0/16", ""},
		{region, "86", "10.20.0.0/16", "a /15 or larger: 258 nodes, and 1 more during an upgrade, take a /24 each"},
		{region, "1000", "10.128.0.0/12", ""},
		{region, "1000", "10.128.0.0/13", "a /12 or larger: 3000 nodes, and 1 more during an upgrade, take a /24 each"},
	}
	for _, test := range tests {
		_, err := load(t, sandbox(t, map[string]string{
			"grpc-edge:clusterLocation": test.location, "grpc-edge:nodeCount": test.nodes, "grpc-edge:podsCidr": test.pods,
		}))
		want := ""
		if test.want != "" {
			want = `  grpc-edge:podsCidr is "` + test.pods + `"; it must be ` + test.want
		}
		if got := message(err); got != want {
			t.Errorf("%s nodes in %q:\ngot  %s\nwant %s", test.nodes, test.location, got, want)
		}
	}
}
