package gcp

import (
	"cmp"
	"net/netip"
	"slices"

	"example.com/grpc-edge/sandbox/addressplan"
)

var addressRule = &rule{
	kind: KindAddress, name: "projects/{project}/regions/{region}/addresses/{name}",
	permissions: verbs{ // of an address, only labels change in place
		VerbCreate: on(onProject, "compute.addresses.create", "compute.addresses.setLabels", "compute.regionOperations.get"),
		VerbGet:    on(onObject, "compute.addresses.get"),
		VerbUpdate: on(onObject, "compute.addresses.setLabels", "compute.regionOperations.get"),
		VerbDelete: on(onObject, "compute.addresses.delete", "compute.regionOperations.get"),
	},
	noun: "address", quota: quota{metric: "STATIC_ADDRESSES", limit: 8, within: "regions"},
	check: checkAddress, admit: admitAddress, show: showUsers,
}

func checkAddress(p Properties) []Violation {
	c := &checker{p: p}
	c.name()
	c.oneOf("addressType", "EXTERNAL", "INTERNAL")
	c.oneOf("ipVersion", "IPV4", "IPV6")
	c.oneOf("networkTier", "PREMIUM", "STANDARD")
	c.oneOf("ipv6EndpointType", "VM", "NETLB")
	if a := p.str("address"); a != "" {
		if _, err := netip.ParseAddr(a); err != nil {
			c.wrong("address", "%q is not an IP address", a)
		}
	}
	return c.found
}

func admitAddress(t *change) error {
	p := t.new.Config
	if p.str("ipVersion") == "IPV6" {
		return invalid("ipVersion", "IPV6", "The emulated network has no IPv6.")
	}
	kind := cmp.Or(p.str("addressType"), "EXTERNAL")
	t.assignNumber("addressId")
	t.stamp("creationTimestamp")
	t.complete(Properties{"selfLink": computeBase + t.new.Name, "addressType": kind, "labelFingerprint": fingerprint()},
		Properties{"prefixLength": 0, "users": []any{}, "networkTier": "PREMIUM", "purpose": "", "subnetwork": ""})
	if kind == "INTERNAL" {
		return t.internalAddress()
	}
	if t.new.Status.has("address") {
		return nil
	}
	if a := p.str("address"); a != "" {
		return invalid("address", a, "Specified IP address is not allocated to the project or does not belong to the specified scope.")
	}
	a, ok := t.freeExternal()
	if !ok {
		return &Error{Code: 503, Reason: "ZONE_RESOURCE_POOL_EXHAUSTED", Message: "No external IP address is left in " + addressplan.External.String()}
	}
	t.new.Status["address"] = a.String()
	return nil
}

// internalAddress reserves an address of a subnet: the one asked for, or the
// first that is free. Four addresses of a subnet cannot be used ("Unusable
// addresses in IPv4 subnet ranges", VPC documentation).
func (t *change) internalAddress() error {
	subnet, err := t.lookUp(KindSubnetwork, cmp.Or(t.new.Config.str("subnetwork"), "default"))
	if err != nil {
		return err
	}
	t.new.Uses = []string{subnet.Name}
	t.new.Status["subnetwork"] = computeBase + subnet.Name
	t.new.Status["purpose"] = cmp.Or(t.new.Config.str("purpose"), "GCE_ENDPOINT")
	if t.new.Status.has("address") {
		return nil
	}
	taken := map[string]bool{}
	for _, other := range t.all(KindAddress, "projects/") {
		if slices.Contains(other.Uses, subnet.Name) {
			taken[other.Properties().str("address")] = true
		}
	}
	primary := prefix(subnet.Config.str("ipCidrRange"))
	size := uint32(1) << (32 - primary.Bits())
	wanted := t.new.Config.str("address")
	for n := uint32(2); n < size-2; n++ {
		if a := nth(primary, n).String(); !taken[a] && (wanted == "" || wanted == a) {
			t.new.Status["address"] = a
			return nil
		}
	}
	return invalid("address", wanted, "No such address is free in subnetwork '%s' (%s).", subnet.Name, primary)
}

// freeExternal returns an external address that nothing has.
func (t *change) freeExternal() (netip.Addr, bool) {
	taken := map[string]bool{}
	for _, o := range t.all("", "") {
		switch o.Kind {
		case KindAddress:
			taken[o.Properties().str("address")] = true
		case KindForwardingRule:
			taken[o.Config.str("IPAddress")] = true
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
func showUsers(v View, o *Object) {
	var links []string
	for _, name := range v.users(o.Name) {
		links = append(links, computeBase+name)
	}
	o.Status["users"] = toList(links)
}

// ReservedAddress returns the IP address that is reserved under a name.
func ReservedAddress(c *Cloud, project, region, name string) (netip.Addr, bool) {
	path, err := c.NameOf(KindAddress, Place{Project: project, Region: region}, Properties{"name": name})
	if err != nil {
		return netip.Addr{}, false
	}
	o, err := c.Get(path)
	if err != nil {
		return netip.Addr{}, false
	}
	a, err := netip.ParseAddr(o.Properties().str("address"))
	return a, err == nil
}
