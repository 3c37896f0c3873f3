package gcp

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
)

// ForwardingRule is a passthrough load balancer's front end, as GKE's service
// controller makes it for a Service of type LoadBalancer.
type ForwardingRule struct {
	// Name is unique in the cloud: GKE's is derived from the Service's UID.
	Name, Project, Region string
	// Cluster is the name of the cluster the Service is in.
	Cluster string
	// Address is reserved in the project and region.
	Address netip.Addr
	// Ports are TCP ports.
	Ports []int32
}

var forwardingRuleRule = &rule{
	noun: "forwarding rule", quota: quota{"FORWARDING_RULES", 15, "regions"},
	admit: admitForwardingRule, build: nothing, raze: nothing,
}

// PutForwardingRule creates or updates a forwarding rule, and the firewall rule that lets its
// traffic in. As in Google Cloud, their network and address cannot be deleted before them
// ("LoadBalancer Service concepts", GKE documentation).
func (c *Cloud) PutForwardingRule(rule ForwardingRule) error {
	ctx, at := context.Background(), Place{Project: rule.Project, Region: rule.Region}
	network, err := c.clusterNetwork(rule)
	if err != nil {
		return fmt.Errorf("making forwarding rule %q: %w", rule.Name, err)
	}
	var ports []string
	for _, port := range rule.Ports {
		ports = append(ports, fmt.Sprint(port))
	}
	firewall := Properties{
		"name": firewallName(rule.Name), "network": network, "direction": "INGRESS", "sourceRanges": []any{"0.0.0.0/0"},
		"allows": []any{Properties{"protocol": "tcp", "ports": toList(ports)}},
	}
	forwarding := Properties{
		"name": rule.Name, "network": network, "IPAddress": rule.Address.String(), "IPProtocol": "TCP",
		"ports": toList(ports), "loadBalancingScheme": "EXTERNAL",
	}
	if err := c.put(ctx, KindFirewall, at, firewall); err != nil {
		return fmt.Errorf("making the firewall rule of forwarding rule %q: %w", rule.Name, err)
	}
	if err := c.put(ctx, KindForwardingRule, at, forwarding); err != nil {
		return fmt.Errorf("making forwarding rule %q: %w", rule.Name, err)
	}
	return nil
}

// DeleteForwardingRule removes a forwarding rule and its firewall rule. That
// they do not exist is no error.
func (c *Cloud) DeleteForwardingRule(name string) error {
	c.mu.Lock()
	var gone []string
	for _, path := range sortedNames(c.objects) {
		o := c.objects[path]
		if o.Kind == KindForwardingRule && o.last() == name || o.Kind == KindFirewall && o.last() == firewallName(name) {
			gone = append(gone, path)
		}
	}
	c.mu.Unlock()
	var errs []error
	for _, path := range gone {
		if err := c.Delete(context.Background(), path); err != nil && !NotFound(err) {
			errs = append(errs, fmt.Errorf("deleting forwarding rule %q: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// firewallName returns the name that GKE gives to the firewall rule of a load balancer
// ("Automatically created firewall rules", GKE documentation).
func firewallName(rule string) string { return "k8s-fw-" + rule }

// put creates an object, or changes it if it exists and differs.
func (c *Cloud) put(ctx context.Context, kind Kind, at Place, config Properties) error {
	name, _, err := locate(kind, at, config)
	if err != nil {
		return err
	}
	old, err := c.Get(name)
	if NotFound(err) {
		_, err = c.Create(ctx, kind, at, config)
		return err
	}
	if err != nil || equal(old.Config, config) {
		return err
	}
	_, err = c.Update(ctx, name, at, config)
	return err
}

// clusterNetwork returns the network of the cluster a rule belongs to.
func (c *Cloud) clusterNetwork(rule ForwardingRule) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.all(KindCluster, "projects/"+rule.Project+"/") {
		if o.last() == rule.Cluster && regionOf(o.Status.str("location")) == rule.Region {
			return o.Status.str("network"), nil
		}
	}
	return "", notFound(fmt.Sprintf("projects/%s/locations/%s/clusters/%s", rule.Project, rule.Region, rule.Cluster))
}

func admitForwardingRule(t *change) error {
	ip := t.new.Config.str("IPAddress")
	network, err := t.lookUp(KindNetwork, t.new.Config.str("network"))
	if err != nil {
		return err
	}
	region := "projects/" + t.new.project() + "/regions/" + t.new.Status.str("region") + "/"
	for _, other := range t.all(KindForwardingRule, region) {
		if other.Name != t.new.Name && other.Config.str("IPAddress") == ip && sharesPort(other.Config, t.new.Config) {
			return &Error{Code: 400, Reason: "invalid", Message: fmt.Sprintf("Invalid value for field 'resource.IPAddress': '%s'. "+
				"Specified IP address is in-use and would result in a conflict.", ip)}
		}
	}
	for _, address := range t.all(KindAddress, region) {
		if address.made && address.Properties().str("address") == ip {
			t.new.Uses = []string{network.Name, address.Name}
			t.new.Status["selfLink"] = computeBase + t.new.Name
			return nil
		}
	}
	return invalid("IPAddress", ip, "Specified IP address is not allocated to the project or does not belong to the specified scope.")
}

func sharesPort(a, b Properties) bool {
	return slices.ContainsFunc(a.strings("ports"), func(port string) bool { return slices.Contains(b.strings("ports"), port) })
}
