package container

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/compute"
	"example.com/grpc-edge/sandbox/gcp/kms"
)

const containerBase = "https://container.googleapis.com/v1/"

func clusterResource(rt Runtime) *gcp.Resource {
	return &gcp.Resource{
		Kind: KindCluster, Noun: "cluster", Name: "projects/{project}/locations/{location:zone}/clusters/{name}",
		Permissions: gcp.Verbs{
			// Removing the default pool is an update of the cluster.
			gcp.VerbCreate: append(gcp.On(gcp.OnProject, "container.clusters.create", "container.clusters.update", "container.operations.get"), asNodes),
			gcp.VerbGet:    readPools,
			gcp.VerbUpdate: gcp.On(gcp.OnObject, "container.clusters.update", "container.operations.get"),
			gcp.VerbDelete: gcp.On(gcp.OnObject, "container.clusters.get", "container.clusters.delete", "container.operations.get"),
		},
		Quota: gcp.Quota{Metric: "CLUSTERS", Limit: 100, Within: "locations"}, // "Quotas and limits", GKE
		Needs: spareAutopilot, Check: checkCluster, Admit: admitCluster,
		Build: func(ctx context.Context, t *gcp.Change) error {
			if t.Old != nil && managedPrometheus(t.Old) == managedPrometheus(t.New) && enforces(t.Old) == enforces(t.New) && dualStack(t.Old) == dualStack(t.New) {
				return nil
			}
			err := startCluster(ctx, rt, t.Cloud(), t.New)
			if err == nil || t.Old != nil {
				return err
			}
			return errors.Join(err, rt.StopCluster(context.WithoutCancel(ctx), t.New.ID())) // even if ctx has ended
		},
		Remove: func(ctx context.Context, t *gcp.Change) error { return rt.StopCluster(ctx, t.Old.ID()) },
	}
}

// readPools lists the permissions to read a cluster or a pool. The client also lists the zone's
// instance group managers, and looks for those of the pools (container/resource_container_node_pool.go:
// refreshIfNeeded).
var readPools = append(gcp.On(gcp.OnObject, "container.clusters.get"), gcp.Grant{Permission: "compute.instanceGroupManagers.list", On: gcp.OnProject})

// asNodes is needed to run nodes as an account.
var asNodes = gcp.Grant{Permission: gcp.ActAs, On: func(call gcp.Call) string {
	email := cmp.Or(call.Config.Text("nodeConfig.serviceAccount"), call.Config.Text("clusterAutoscaling.autoProvisioningDefaults.serviceAccount"))
	if !strings.Contains(email, "@") { // the default of Compute Engine
		email = gcp.ProjectNumber(gcp.Segment(call.Name, "projects")) + "-compute@developer.gserviceaccount.com"
	}
	return gcp.OnProject(call) + "/serviceAccounts/" + email
}}

// spareAutopilot leaves out what a call for an Autopilot cluster does not need. It has no default
// pool to remove. With skipNodePoolRefresh it reads no pools either.
func spareAutopilot(call gcp.Call, all []gcp.Need) []gcp.Need {
	if !call.Config.Bool("enableAutopilot") {
		return all
	}
	return slices.DeleteFunc(all, func(n gcp.Need) bool {
		return call.Verb == gcp.VerbCreate && n.Permission == "container.clusters.update" ||
			call.Config.Bool("skipNodePoolRefresh") && n.Permission == "compute.instanceGroupManagers.list"
	})
}

// monitoringComponents lists the components whose metrics GKE can collect
// ("MonitoringComponentConfig", GKE API).
var monitoringComponents = strings.Fields(`SYSTEM_COMPONENTS APISERVER SCHEDULER CONTROLLER_MANAGER STORAGE HPA POD DAEMONSET
	DEPLOYMENT STATEFULSET CADVISOR KUBELET DCGM JOBSET`)

// managedPrometheus reports whether a cluster has managed collection. Standard clusters from
// 1.27 on have it unless it is switched off ("Get started with managed collection", Google Cloud
// Managed Service for Prometheus).
func managedPrometheus(cluster *gcp.Object) bool {
	return cluster.Properties().Bool("monitoringConfig.managedPrometheus.enabled")
}

// enforces reports whether a cluster runs only the images that Binary Authorization allows.
func enforces(cluster *gcp.Object) bool {
	return cluster.Config.Text("binaryAuthorization.evaluationMode") == "PROJECT_SINGLETON_POLICY_ENFORCE"
}

// dualStack reports whether a cluster's nodes and pods have IPv6 addresses too.
func dualStack(cluster *gcp.Object) bool {
	return cluster.Config.Text("ipAllocationPolicy.stackType") == "IPV4_IPV6"
}

// clusterName matches a cluster's name; it is stricter than other names ("clusters.create", GKE
// API).
var clusterName = regexp.MustCompile(`^[a-z](?:[-a-z0-9]{0,38}[a-z0-9])?$`)

func checkCluster(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p}
	c.Match("name", clusterName, "be 1-40 characters: a lowercase letter, then lowercase letters, digits and hyphens, not a hyphen at the end")
	c.OneOf("networkingMode", "VPC_NATIVE", "ROUTES")
	c.OneOf("ipAllocationPolicy.stackType", "IPV4", "IPV4_IPV6")
	c.OneOf("datapathProvider", "DATAPATH_PROVIDER_UNSPECIFIED", "LEGACY_DATAPATH", "ADVANCED_DATAPATH")
	c.OneOf("releaseChannel.channel", "UNSPECIFIED", "RAPID", "REGULAR", "STABLE", "EXTENDED")
	c.OneOf("securityPostureConfig.mode", "DISABLED", "BASIC", "ENTERPRISE")
	c.OneOf("binaryAuthorization.evaluationMode", "DISABLED", "PROJECT_SINGLETON_POLICY_ENFORCE")
	c.OneOf("databaseEncryption.state", "ENCRYPTED", "DECRYPTED")
	c.OneOf("gatewayApiConfig.channel", "CHANNEL_DISABLED", "CHANNEL_EXPERIMENTAL", "CHANNEL_STANDARD")
	if s := p.Text("privateClusterConfig.masterIpv4CidrBlock"); s != "" {
		if r, err := netip.ParsePrefix(s); err != nil || r != r.Masked() || r.Bits() != 28 {
			c.Wrong("privateClusterConfig.masterIpv4CidrBlock", "%q is not a /28 in CIDR notation, such as 172.16.0.0/28", s)
		}
	}
	for i, component := range p.Texts("monitoringConfig.enableComponents") {
		if component != "" && !slices.Contains(monitoringComponents, component) {
			c.Wrong(fmt.Sprintf("monitoringConfig.enableComponents[%d]", i), "%q is not one of %s", component, strings.Join(monitoringComponents, ", "))
		}
	}
	for i, block := range p.Objects("masterAuthorizedNetworksConfig.cidrBlocks") {
		if s := block.Text("cidrBlock"); s != "" && compute.ParseRange(s) != compute.ParseRange(s).Masked() || s != "" && !compute.ParseRange(s).IsValid() {
			c.Wrong(fmt.Sprintf("masterAuthorizedNetworksConfig.cidrBlocks[%d].cidrBlock", i), "%q is not a range in CIDR notation", s)
		}
	}
	if pool := p.Text("workloadIdentityConfig.workloadPool"); pool != "" && !strings.HasSuffix(pool, ".svc.id.goog") {
		c.Wrong("workloadIdentityConfig.workloadPool", "%q must be <project>.svc.id.goog", pool)
	}
	if p.Bool("networkPolicy.enabled") && p.Text("datapathProvider") == "ADVANCED_DATAPATH" {
		c.Wrong("networkPolicy.enabled", "Enabling NetworkPolicy for clusters with DatapathProvider=ADVANCED_DATAPATH is not "+
			"allowed: Dataplane V2 always enforces network policies")
	}
	return c.Found
}

func admitCluster(t *gcp.Change) error {
	p := t.New.Config
	if err := checkClusterPlace(t.New); err != nil {
		return err
	}
	if len(p.Objects("nodePools")) > 0 || p.Text("networkingMode") == "ROUTES" {
		return gcp.BadRequest("Node pools inside a cluster and routes-based networking are not emulated: " +
			"use a VPC-native cluster and container.NodePool")
	}
	if autopilot(t.New) {
		if err := admitAutopilot(t); err != nil {
			return err
		}
	} else if p.Int("initialNodeCount") < 1 {
		return gcp.BadRequest("Cluster.initial_node_count must be greater than zero.")
	}
	if pool, want := p.Text("workloadIdentityConfig.workloadPool"), t.New.Project()+".svc.id.goog"; pool != "" && pool != want {
		return gcp.BadRequest("Currently, the only supported identity namespace is %q; got %q.", want, pool)
	}
	if err := checkVersion(p); err != nil {
		return err
	}
	if t.Old == nil {
		if err := admitClusterNetwork(t); err != nil {
			return err
		}
	} else {
		t.New.Uses = t.Old.Uses
	}
	if err := checkFamilies(t); err != nil {
		return err
	}
	if err := checkNodeAccount(t, p.Text("nodeConfig.serviceAccount")); err != nil {
		return err
	}
	if err := kms.MayEncrypt(t, p.Text("databaseEncryption.keyName"), gcp.Agents["container.googleapis.com"]); err != nil {
		return err
	}
	if err := kms.MayEncrypt(t, p.Text("nodeConfig.bootDiskKmsKey"), "compute-system"); err != nil {
		return err
	}
	if enforces(t.New) {
		if err := t.RequireAPI("binaryauthorization.googleapis.com", t.New.Project()); err != nil {
			return err
		}
	}
	completeCluster(t)
	return nil
}

// newest maps each channel to its newest minor version of Kubernetes ("GKE release notes",
// autumn 2026).
var newest = map[string]int{"RAPID": 36, "REGULAR": 35, "STABLE": 34, "EXTENDED": 35, "UNSPECIFIED": 35}

// checkVersion refuses a minimum version that the cluster's channel does not offer.
func checkVersion(p gcp.Properties) error {
	text := p.Text("minMasterVersion")
	if text == "" || text == "latest" {
		return nil
	}
	var minor int
	if _, err := fmt.Sscanf(text, "1.%d", &minor); err != nil || minor > newest[cmp.Or(p.Text("releaseChannel.channel"), "REGULAR")] {
		return gcp.BadRequest("Master version \"%s\" is unsupported.", text)
	}
	return nil
}

// checkClusterPlace checks that node locations are in the cluster's region.
func checkClusterPlace(o *gcp.Object) error {
	at := o.Status.Text("location")
	if gcp.RegionOf(at) == "" {
		return gcp.BadRequest("Location %q does not exist.", at)
	}
	for _, zone := range o.Config.Texts("nodeLocations") {
		if gcp.RegionOf(zone) != gcp.RegionOf(at) || zone == gcp.RegionOf(zone) {
			return gcp.BadRequest("Invalid node location %q: it must be one of %s.", zone, strings.Join(gcp.RegionZones(gcp.RegionOf(at)), ", "))
		}
	}
	return nil
}

// checkNodeAccount checks that the nodes' account exists ("Harden your cluster's security", GKE).
func checkNodeAccount(t *gcp.Change, email string) error {
	if email != "" && email != "default" && !t.AccountExists(email) {
		return gcp.BadRequest("Service account %q does not exist.", email)
	}
	return nil
}

func completeCluster(t *gcp.Change) {
	p := t.New.Config
	sum := sha256.Sum256([]byte(t.New.Name))
	dns := fmt.Sprintf("gke-%s-%s.%s.gke.goog", hex.EncodeToString(sum[:])[:36], gcp.ProjectNumber(t.New.Project()), gcp.RegionOf(t.New.Status.Text("location")))
	if autopilot(t.New) {
		completeAutopilot(t)
	}
	t.Complete(gcp.Properties{
		"selfLink":                    containerBase + t.New.Name,
		"controlPlaneEndpointsConfig": gcp.Properties{"dnsEndpointConfig": gcp.Properties{"endpoint": dns}},
		"labelFingerprint":            gcp.Fingerprint(),
	}, gcp.Properties{
		"nodeLocations": gcp.List(poolZones(t.New)), "networkingMode": "VPC_NATIVE", "datapathProvider": "LEGACY_DATAPATH",
		"defaultMaxPodsPerNode": 110, "enableShieldedNodes": true, "enableIntranodeVisibility": false,
		"enableL4IlbSubsetting": false, "loggingService": "logging.googleapis.com/kubernetes",
		"monitoringService": "monitoring.googleapis.com/kubernetes", "privateIpv6GoogleAccess": "",
		"releaseChannel": gcp.Properties{"channel": "REGULAR"}, "deletionProtection": true, "operation": "", "tpuIpv4CidrBlock": "",
	})
	completeEndpoints(t)
	t.New.Status["monitoringConfig"] = p.Object("monitoringConfig").Or(gcp.Properties{"managedPrometheus": gcp.Properties{"enabled": true}})
	for _, key := range []string{"nodeConfig", "nodePools"} { // belong to pools of their own
		if !p.Has(key) {
			delete(t.New.Status, key)
		}
	}
}

// completeEndpoints adds what GKE reports about access to a control plane. Without endpoints that
// have addresses, there is no public endpoint and, as far as is recorded, no range (Config
// Connector, containercluster-dnsendpoint-noipendpoint).
func completeEndpoints(t *gcp.Change) {
	p := t.New.Config
	private := p.Bool("privateClusterConfig.enablePrivateEndpoint")
	ranges := p.Text("privateClusterConfig.masterIpv4CidrBlock")
	if enabled, given := p.Get("controlPlaneEndpointsConfig.ipEndpointsConfig.enabled").(bool); given && !enabled {
		private, ranges = true, ""
	}
	t.Complete(gcp.Properties{"privateClusterConfig": gcp.Properties{"enablePrivateEndpoint": private, "masterIpv4CidrBlock": ranges}},
		gcp.Properties{"databaseEncryption": gcp.Properties{"state": "DECRYPTED"}})
}

// poolZones returns the zones of a cluster's nodes. A zonal cluster has them in its zone. A
// regional cluster has them in three zones ("Regional clusters", GKE), or in all zones in
// Autopilot mode.
func poolZones(cluster *gcp.Object) []string {
	if zones := cluster.Config.Texts("nodeLocations"); len(zones) > 0 {
		return zones
	}
	at := cluster.Status.Text("location")
	switch {
	case at != gcp.RegionOf(at):
		return []string{at}
	case autopilot(cluster):
		return gcp.RegionZones(at)
	}
	return gcp.RegionZones(at)[:3]
}

// clusterRangeNames returns the names of the secondary ranges that a cluster uses.
func clusterRangeNames(p gcp.Properties) []string {
	return slices.DeleteFunc([]string{
		p.Text("ipAllocationPolicy.clusterSecondaryRangeName"), p.Text("ipAllocationPolicy.servicesSecondaryRangeName"),
	}, func(s string) bool { return s == "" })
}
