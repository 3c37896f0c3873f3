package compute

import (
	"net/netip"
	"strings"

	"example.com/grpc-edge/sandbox/addressplan"
	"example.com/grpc-edge/sandbox/gcp"
)

var addressResource = &gcp.Resource{
	Kind: KindAddress, Noun: "address", Name: "projects/{project}/regions/{region}/addresses/{name}",
	Permissions: gcp.Verbs{ // only the labels of an address change in place
		gcp.VerbCreate: gcp.On(gcp.OnProject, "compute.addresses.create", "compute.addresses.setLabels", "compute.regionOperations.get"),
		gcp.VerbGet:    gcp.On(gcp.OnObject, "compute.addresses.get"),
		gcp.VerbUpdate: gcp.On(gcp.OnObject, "compute.addresses.setLabels", "compute.regionOperations.get"),
		gcp.VerbDelete: gcp.On(gcp.OnObject, "compute.addresses.delete", "compute.regionOperations.get"),
	},
	Quota: gcp.Quota{Metric: "STATIC_ADDRESSES", Limit: 8, Within: "regions"},
	Needs: useSubnetwork, Check: checkAddress, Admit: admitAddress, Show: showUsers,
}

// useSubnetwork adds what a reservation in a subnet needs ("addresses.insert", Compute Engine API).
func useSubnetwork(call gcp.Call, all []gcp.Need) []gcp.Need {
	subnet := call.Config.Text("subnetwork")
	if call.Verb != gcp.VerbCreate || subnet == "" {
		return all
	}
	region, _, _ := strings.Cut(call.Name, "/addresses/")
	return append(all, gcp.Need{Permission: "compute.subnetworks.use", Resource: region + "/subnetworks/" + gcp.LastSegment(subnet)})
}

func checkAddress(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p}
	c.Name()
	c.OnlyEmulated("addressType", "EXTERNAL")
	c.OneOf("ipVersion", "IPV4", "IPV6")
	c.OneOf("networkTier", "PREMIUM", "STANDARD")
	c.OneOf("ipv6EndpointType", "VM", "NETLB")
	if a := p.Text("address"); a != "" {
		if _, err := netip.ParseAddr(a); err != nil {
			c.Wrong("address", "%q is not an IP address", a)
		}
	}
	return c.Found
}

func admitAddress(t *gcp.Change) error {
	p := t.New.Config
	t.AssignNumber("addressId")
	t.Stamp("creationTimestamp")
	t.Complete(gcp.Properties{"selfLink": LinkBase + t.New.Name, "addressType": "EXTERNAL", "labelFingerprint": gcp.Fingerprint()},
		gcp.Properties{"prefixLength": 0, "users": []any{}, "networkTier": "PREMIUM", "purpose": "", "subnetwork": ""})
	if p.Text("ipVersion") == "IPV6" {
		return ipv6Address(t)
	}
	if t.New.Status.Has("address") {
		return nil
	}
	if a := p.Text("address"); a != "" {
		return gcp.Invalid("address", a, "Specified IP address is not allocated to the project or does not belong to the specified scope.")
	}
	a, ok := freeExternal(t)
	if !ok {
		return &gcp.Error{Code: 503, Reason: "ZONE_RESOURCE_POOL_EXHAUSTED", Message: "No external IP address is left in " + addressplan.External.String()}
	}
	t.New.Status["address"] = a.String()
	return nil
}

// ipv6Address reserves a /96 of a subnet's external IPv6 range. Those of forwarding rules are in
// its second half ("Reserve a static external IP address" and "Subnets", VPC documentation). IPv6
// has no Standard Tier ("Network Service Tiers overview").
func ipv6Address(t *gcp.Change) error {
	p := t.New.Config
	switch {
	case p.Text("networkTier") == "STANDARD":
		return gcp.Invalid("networkTier", "STANDARD", "IPv6 addresses are only available in the PREMIUM network tier.")
	case p.Text("subnetwork") == "":
		return gcp.BadRequest("Required field 'resource.subnetwork' not specified")
	}
	subnet, err := t.LookUp(KindSubnetwork, p.Text("subnetwork"))
	if err != nil {
		return err
	}
	prefix := ParseRange(subnet.Properties().Text("externalIpv6Prefix"))
	if !prefix.IsValid() || subnet.Properties().Text("stackType") == "IPV4_ONLY" {
		return gcp.Invalid("subnetwork", subnet.Name, "The subnetwork has no external IPv6 range: its stack type must be IPV4_IPV6, its IPv6 access type EXTERNAL.")
	}
	t.New.Uses = []string{subnet.Name}
	t.New.Status.Merge(gcp.Properties{"subnetwork": LinkBase + subnet.Name, "prefixLength": 96})
	if t.New.Status.Has("address") {
		return nil
	}
	var taken []netip.Prefix
	for _, other := range t.All(KindAddress, "projects/") {
		taken = append(taken, ParseRange(other.Properties().Text("address")+"/96"))
	}
	if p.Text("ipv6EndpointType") == "NETLB" {
		prefix = block(prefix, 65, 1)
	}
	free, _ := FreeRange(prefix, 96, taken) // there are more than two billion
	t.New.Status["address"] = free.Addr().String()
	return nil
}

// freeExternal returns an external address that nothing uses.
func freeExternal(t *gcp.Change) (netip.Addr, bool) {
	taken := map[string]bool{}
	for _, o := range t.All("", "") {
		switch o.Kind {
		case KindAddress:
			taken[o.Properties().Text("address")] = true
		case KindForwardingRule:
			taken[o.Config.Text("IPAddress")] = true
		}
	}
	for a := addressplan.FirstReserved; addressplan.External.Contains(a); a = a.Next() {
		if !taken[a.String()] {
			return a, true
		}
	}
	return netip.Addr{}, false
}

// showUsers adds the self links of what uses the address.
func showUsers(v gcp.View, o *gcp.Object) {
	var links []string
	for _, name := range v.Users(o.Name) {
		links = append(links, LinkBase+name)
	}
	o.Status["users"] = gcp.List(links)
}

// ReservedAddress returns the IP address that is reserved under a name.
func ReservedAddress(c *gcp.Cloud, project, region, name string) (netip.Addr, bool) {
	path, err := c.NameOf(KindAddress, gcp.Place{Project: project, Region: region}, gcp.Properties{"name": name})
	if err != nil {
		return netip.Addr{}, false
	}
	o, err := c.Get(path)
	if err != nil {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(o.Properties().Text("address"))
	return a, err == nil
}
