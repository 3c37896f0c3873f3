package container

import (
	"context"
	"errors"
	"fmt"
	"net/netip"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/compute"
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

// PutForwardingRule creates or updates a forwarding rule, and the firewall rule that lets its
// traffic in. As in Google Cloud, their network and address cannot be deleted before them
// ("LoadBalancer Service concepts", GKE documentation).
func PutForwardingRule(c *gcp.Cloud, rule ForwardingRule) error {
	ctx, at := context.Background(), gcp.Place{Project: rule.Project, Region: rule.Region}
	network, err := clusterNetwork(c, rule)
	if err != nil {
		return fmt.Errorf("creating forwarding rule %q: %w", rule.Name, err)
	}
	var ports []string
	for _, port := range rule.Ports {
		ports = append(ports, fmt.Sprint(port))
	}
	firewall := gcp.Properties{
		"name": firewallName(rule.Name), "network": network, "direction": "INGRESS", "sourceRanges": []any{"0.0.0.0/0"},
		"allows": []any{gcp.Properties{"protocol": "tcp", "ports": gcp.List(ports)}},
	}
	forwarding := gcp.Properties{
		"name": rule.Name, "network": network, "IPAddress": rule.Address.String(), "IPProtocol": "TCP",
		"ports": gcp.List(ports), "loadBalancingScheme": "EXTERNAL",
	}
	if err := put(ctx, c, compute.KindFirewall, at, firewall); err != nil {
		return fmt.Errorf("creating the firewall rule of forwarding rule %q: %w", rule.Name, err)
	}
	if err := put(ctx, c, compute.KindForwardingRule, at, forwarding); err != nil {
		return fmt.Errorf("creating forwarding rule %q: %w", rule.Name, err)
	}
	return nil
}

// DeleteForwardingRule removes a forwarding rule and its firewall rule. It is
// not an error if they do not exist.
func DeleteForwardingRule(c *gcp.Cloud, name string) error {
	v, done := c.View()
	var gone []string
	for _, o := range v.All("", "") {
		if o.Kind == compute.KindForwardingRule && o.ID() == name || o.Kind == compute.KindFirewall && o.ID() == firewallName(name) {
			gone = append(gone, o.Name)
		}
	}
	done()
	var errs []error
	for _, path := range gone {
		if err := c.Delete(context.Background(), path); err != nil && !gcp.IsNotFound(err) {
			errs = append(errs, fmt.Errorf("deleting forwarding rule %q: %w", name, err))
		}
	}
	return errors.Join(errs...)
}

// firewallName returns the name that GKE gives to the firewall rule of a load balancer
// ("Automatically created firewall rules", GKE documentation).
func firewallName(rule string) string { return "k8s-fw-" + rule }

// put creates an object, or changes it if it exists and differs.
func put(ctx context.Context, c *gcp.Cloud, kind gcp.Kind, at gcp.Place, config gcp.Properties) error {
	name, err := c.NameOf(kind, at, config)
	if err != nil {
		return err
	}
	old, err := c.Get(name)
	if gcp.IsNotFound(err) {
		_, err = c.Create(ctx, kind, at, config)
		return err
	}
	if err != nil || gcp.Equal(old.Config, config) {
		return err
	}
	_, err = c.Update(ctx, name, at, config)
	return err
}

// clusterNetwork returns the network of the cluster a rule belongs to.
func clusterNetwork(c *gcp.Cloud, rule ForwardingRule) (string, error) {
	v, done := c.View()
	defer done()
	for _, o := range v.All(KindCluster, "projects/"+rule.Project+"/") {
		if o.ID() == rule.Cluster && gcp.RegionOf(o.Status.Text("location")) == rule.Region {
			return o.Status.Text("network"), nil
		}
	}
	return "", gcp.NotFound(fmt.Sprintf("projects/%s/locations/%s/clusters/%s", rule.Project, rule.Region, rule.Cluster))
}
