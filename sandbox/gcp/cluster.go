package gcp

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
)

const containerBase = "https://container.googleapis.com/v1/"

func clusterRule(rt Runtime) *rule {
	return &rule{
		kind: KindCluster, name: "projects/{project}/locations/{location}/clusters/{name}",
		permissions: verbs{
			// Removing the default pool is an update of the cluster.
			VerbCreate: append(on(onProject, "container.clusters.create", "container.clusters.update", "container.operations.get"), asNodes),
			VerbGet:    readPools,
			VerbUpdate: on(onObject, "container.clusters.update", "container.operations.get"),
			VerbDelete: on(onObject, "container.clusters.get", "container.clusters.delete", "container.operations.get"),
		},
		noun: "cluster", quota: quota{metric: "CLUSTERS", limit: 100, within: "locations"}, // "Quotas and limits", GKE
		needs: spareAutopilot, check: checkCluster, admit: admitCluster,
		build: func(ctx context.Context, t *change) error {
			if t.old != nil && managedPrometheus(t.old) == managedPrometheus(t.new) && enforces(t.old) == enforces(t.new) {
				return nil
			}
			err := startCluster(ctx, rt, t.unlocked(), t.new)
			if err == nil || t.old != nil {
				return err
			}
			return errors.Join(err, rt.StopCluster(context.WithoutCancel(ctx), t.new.last())) // even if ctx has ended
		},
		raze: func(ctx context.Context, t *change) error { return rt.StopCluster(ctx, t.old.last()) },
	}
}

// readPools is what the client does to read a cluster or a pool: it lists the zone's instance
// group managers and looks for those of the pools (container/resource_container_node_pool.go:
// refreshIfNeeded).
var readPools = append(on(onObject, "container.clusters.get"), grant{permission: "compute.instanceGroupManagers.list", on: onProject})

// asNodes is needed to run nodes as an account.
var asNodes = grant{permission: actAs, on: func(call Call) string {
	email := cmp.Or(call.Config.str("nodeConfig.serviceAccount"), call.Config.str("clusterAutoscaling.autoProvisioningDefaults.serviceAccount"))
	if !strings.Contains(email, "@") { // the default of Compute Engine
		email = ProjectNumber(segment(call.Name, "projects")) + "-compute@developer.gserviceaccount.com"
	}
	return onProject(call) + "/serviceAccounts/" + email
}}

// spareAutopilot leaves out what a call for an Autopilot cluster does not need. It has no default
// pool to remove. With skipNodePoolRefresh it reads no pools either.
func spareAutopilot(call Call, all []Need) []Need {
	if !call.Config.boolean("enableAutopilot") {
		return all
	}
	return slices.DeleteFunc(all, func(n Need) bool {
		return call.Verb == VerbCreate && n.Permission == "container.clusters.update" ||
			call.Config.boolean("skipNodePoolRefresh") && n.Permission == "compute.instanceGroupManagers.list"
	})
}

// monitoringComponents lists the components whose metrics GKE can collect
// ("MonitoringComponentConfig", GKE API).
var monitoringComponents = strings.Fields(`SYSTEM_COMPONENTS APISERVER SCHEDULER CONTROLLER_MANAGER STORAGE HPA POD DAEMONSET
	DEPLOYMENT STATEFULSET CADVISOR KUBELET DCGM JOBSET`)

// managedPrometheus reports whether a cluster has managed collection. Standard clusters from
// 1.27 on have it unless it is switched off ("Get started with managed collection", Google Cloud
// Managed Service for Prometheus).
func managedPrometheus(cluster *Object) bool {
	return cluster.Properties().boolean("monitoringConfig.managedPrometheus.enabled")
}

// enforces reports whether a cluster runs only the images that Binary Authorization allows.
func enforces(cluster *Object) bool {
	return cluster.Config.str("binaryAuthorization.evaluationMode") == "PROJECT_SINGLETON_POLICY_ENFORCE"
}

// clusterName matches a cluster's name; it is stricter than other names ("clusters.create", GKE
// API).
var clusterName = regexp.MustCompile(`^[a-z](?:[-a-z0-9]{0,38}[a-z0-9])?$`)

func checkCluster(p Properties) []Violation {
	c := &checker{p: p}
	c.match("name", clusterName, "be 1-40 characters: a lowercase letter, then lowercase letters, digits and hyphens, not a hyphen at the end")
	c.oneOf("networkingMode", "VPC_NATIVE", "ROUTES")
	c.oneOf("datapathProvider", "DATAPATH_PROVIDER_UNSPECIFIED", "LEGACY_DATAPATH", "ADVANCED_DATAPATH")
	c.oneOf("releaseChannel.channel", "UNSPECIFIED", "RAPID", "REGULAR", "STABLE", "EXTENDED")
	c.oneOf("securityPostureConfig.mode", "DISABLED", "BASIC", "ENTERPRISE")
	c.oneOf("binaryAuthorization.evaluationMode", "DISABLED", "PROJECT_SINGLETON_POLICY_ENFORCE")
	c.oneOf("databaseEncryption.state", "ENCRYPTED", "DECRYPTED")
	c.oneOf("gatewayApiConfig.channel", "CHANNEL_DISABLED", "CHANNEL_EXPERIMENTAL", "CHANNEL_STANDARD")
	if s := p.str("privateClusterConfig.masterIpv4CidrBlock"); s != "" {
		if r, err := netip.ParsePrefix(s); err != nil || r != r.Masked() || r.Bits() != 28 {
			c.wrong("privateClusterConfig.masterIpv4CidrBlock", "%q is not a /28 in CIDR notation, such as 172.16.0.0/28", s)
		}
	}
	for i, component := range p.strings("monitoringConfig.enableComponents") {
		if component != "" && !slices.Contains(monitoringComponents, component) {
			c.wrong(fmt.Sprintf("monitoringConfig.enableComponents[%d]", i), "%q is not one of %s", component, strings.Join(monitoringComponents, ", "))
		}
	}
	for i, block := range p.objects("masterAuthorizedNetworksConfig.cidrBlocks") {
		if s := block.str("cidrBlock"); s != "" && prefix(s) != prefix(s).Masked() || s != "" && !prefix(s).IsValid() {
			c.wrong(fmt.Sprintf("masterAuthorizedNetworksConfig.cidrBlocks[%d].cidrBlock", i), "%q is not a range in CIDR notation", s)
		}
	}
	if pool := p.str("workloadIdentityConfig.workloadPool"); pool != "" && !strings.HasSuffix(pool, ".svc.id.goog") {
		c.wrong("workloadIdentityConfig.workloadPool", "%q must be <project>.svc.id.goog", pool)
	}
	if p.boolean("networkPolicy.enabled") && p.str("datapathProvider") == "ADVANCED_DATAPATH" {
		c.wrong("networkPolicy.enabled", "Enabling NetworkPolicy for clusters with DatapathProvider=ADVANCED_DATAPATH is not "+
			"allowed: Dataplane V2 always enforces network policies")
	}
	return c.found
}

func admitCluster(t *change) error {
	p := t.new.Config
	if err := checkClusterPlace(t.new); err != nil {
		return err
	}
	if len(p.objects("nodePools")) > 0 || p.str("networkingMode") == "ROUTES" {
		return badRequest("Node pools inside a cluster and routes-based networking are not emulated: " +
			"use a VPC-native cluster and container.NodePool")
	}
	if autopilot(t.new) {
		if err := admitAutopilot(t); err != nil {
			return err
		}
	} else if p.number("initialNodeCount") < 1 {
		return badRequest("Cluster.initial_node_count must be greater than zero.")
	}
	if pool, want := p.str("workloadIdentityConfig.workloadPool"), t.new.project()+".svc.id.goog"; pool != "" && pool != want {
		return badRequest("Currently, the only supported identity namespace is %q; got %q.", want, pool)
	}
	if err := checkVersion(p); err != nil {
		return err
	}
	if t.old == nil {
		if err := t.admitClusterNetwork(); err != nil {
			return err
		}
	} else {
		t.new.Uses = t.old.Uses
	}
	if err := t.nodeAccount(p.str("nodeConfig.serviceAccount")); err != nil {
		return err
	}
	if err := t.mayEncrypt(p.str("databaseEncryption.keyName"), agents["container.googleapis.com"]); err != nil {
		return err
	}
	if enforces(t.new) {
		if err := t.requireAPI("binaryauthorization.googleapis.com", t.new.project()); err != nil {
			return err
		}
	}
	t.completeCluster()
	return nil
}

// newest maps each channel to its newest minor version of Kubernetes ("GKE release notes",
// autumn 2026).
var newest = map[string]int{"RAPID": 36, "REGULAR": 35, "STABLE": 34, "EXTENDED": 35, "UNSPECIFIED": 35}

// checkVersion refuses a least version that the cluster's channel does not offer.
func checkVersion(p Properties) error {
	text := p.str("minMasterVersion")
	if text == "" || text == "latest" {
		return nil
	}
	var minor int
	if _, err := fmt.Sscanf(text, "1.%d", &minor); err != nil || minor > newest[cmp.Or(p.str("releaseChannel.channel"), "REGULAR")] {
		return badRequest("Master version \"%s\" is unsupported.", text)
	}
	return nil
}

// checkClusterPlace checks that node locations are in the cluster's region.
func checkClusterPlace(o *Object) error {
	at := o.Status.str("location")
	if regionOf(at) == "" {
		return badRequest("Location %q does not exist.", at)
	}
	for _, zone := range o.Config.strings("nodeLocations") {
		if regionOf(zone) != regionOf(at) || zone == regionOf(zone) {
			return badRequest("Invalid node location %q: it must be one of %s.", zone, strings.Join(regionZones(regionOf(at)), ", "))
		}
	}
	return nil
}

// nodeAccount checks that the nodes' account exists ("Harden your cluster's security", GKE).
func (t *change) nodeAccount(email string) error {
	if email != "" && email != "default" && !t.accountExists(email) {
		return badRequest("Service account %q does not exist.", email)
	}
	return nil
}

func (t *change) completeCluster() {
	p := t.new.Config
	sum := sha256.Sum256([]byte(t.new.Name))
	dns := fmt.Sprintf("gke-%s-%s.%s.gke.goog", hex.EncodeToString(sum[:])[:36], ProjectNumber(t.new.project()), regionOf(t.new.Status.str("location")))
	if autopilot(t.new) {
		t.completeAutopilot()
	}
	t.complete(Properties{
		"selfLink":                    containerBase + t.new.Name,
		"controlPlaneEndpointsConfig": Properties{"dnsEndpointConfig": Properties{"endpoint": dns}},
		"labelFingerprint":            fingerprint(),
	}, Properties{
		"nodeLocations": toList(poolZones(t.new)), "networkingMode": "VPC_NATIVE", "datapathProvider": "LEGACY_DATAPATH",
		"defaultMaxPodsPerNode": 110, "enableShieldedNodes": true, "enableIntranodeVisibility": false,
		"enableL4IlbSubsetting": false, "loggingService": "logging.googleapis.com/kubernetes",
		"monitoringService": "monitoring.googleapis.com/kubernetes", "privateIpv6GoogleAccess": "",
		"releaseChannel": Properties{"channel": "REGULAR"}, "deletionProtection": true, "operation": "", "tpuIpv4CidrBlock": "",
	})
	t.completeEndpoints()
	t.new.Status["monitoringConfig"] = p.object("monitoringConfig").or(Properties{"managedPrometheus": Properties{"enabled": true}})
	for _, key := range []string{"nodeConfig", "nodePools"} { // belong to pools of their own
		if !p.has(key) {
			delete(t.new.Status, key)
		}
	}
}

// completeEndpoints adds what GKE reports of the ways to a control plane. Without endpoints that
// have addresses, there is no public endpoint and, as far as is recorded, no range (Config
// Connector, containercluster-dnsendpoint-noipendpoint).
func (t *change) completeEndpoints() {
	p := t.new.Config
	private := p.boolean("privateClusterConfig.enablePrivateEndpoint")
	ranges := p.str("privateClusterConfig.masterIpv4CidrBlock")
	if enabled, given := p.get("controlPlaneEndpointsConfig.ipEndpointsConfig.enabled").(bool); given && !enabled {
		private, ranges = true, ""
	}
	t.complete(Properties{"privateClusterConfig": Properties{"enablePrivateEndpoint": private, "masterIpv4CidrBlock": ranges}},
		Properties{"databaseEncryption": Properties{"state": "DECRYPTED"}})
}

// poolZones returns the zones of a cluster's nodes. A zonal cluster has them in its zone. A
// regional cluster has them in three zones ("Regional clusters", GKE), or in all zones in
// Autopilot mode.
func poolZones(cluster *Object) []string {
	if zones := cluster.Config.strings("nodeLocations"); len(zones) > 0 {
		return zones
	}
	at := cluster.Status.str("location")
	switch {
	case at != regionOf(at):
		return []string{at}
	case autopilot(cluster):
		return regionZones(at)
	}
	return regionZones(at)[:3]
}

// clusterRangeNames returns the names of the secondary ranges that a cluster uses.
func clusterRangeNames(p Properties) []string {
	return slices.DeleteFunc([]string{
		p.str("ipAllocationPolicy.clusterSecondaryRangeName"), p.str("ipAllocationPolicy.servicesSecondaryRangeName"),
	}, func(s string) bool { return s == "" })
}
