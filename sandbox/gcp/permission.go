package gcp

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Verb is the action of a call on an object.
type Verb string

// The verbs of calls.
const (
	VerbCreate Verb = "create"
	VerbGet    Verb = "get"
	VerbUpdate Verb = "update"
	VerbDelete Verb = "delete"
)

// Call describes one call of the provider, with all requests to Google that its client makes for
// it: it waits for the operation, and reads the object at the end.
type Call struct {
	Verb   Verb
	Kind   Kind
	Name   string
	Config Properties
}

// need is a permission that a call needs on a resource.
type need struct {
	permission, resource string
	role                 string // that a change of a policy grants or revokes
}

// scope is the resource on which a permission is needed.
type scope int

const (
	onObject scope = iota
	onProject
	onNetwork     // the network the object is in
	onNodeAccount // the account that nodes run as
	onTriggered   // the account that builds run as
	onNote        // the note that an occurrence is attached to
	onPool        // the CA pool that the object is in
	onZone        // the managed zone that the object is in
)

type grant struct {
	permission string
	on         scope
}

// verbs maps the verbs of a kind to the permissions that they need.
type verbs map[Verb][]grant

// permissions lists the permissions that each call needs. Compute Engine: section "IAM
// Permissions" of each method's page. GKE: "Google Kubernetes Engine API permissions". The
// others: "IAM permissions reference". The methods of a call are taken from the source of the
// Terraform provider that Pulumi's is built from. A comment names the file where a call needs
// more than the method's own permission: it waits for operations, and reads at the end of a
// creation and an update.
var permissions = map[Kind]verbs{
	KindService: {
		VerbCreate: on(onProject, "serviceusage.services.enable", "serviceusage.operations.get"),
		VerbGet:    on(onProject, "serviceusage.services.list", "resourcemanager.projects.get"),
		VerbUpdate: on(onProject, "serviceusage.services.enable", "serviceusage.operations.get"),
		VerbDelete: on(onProject, "serviceusage.services.disable", "serviceusage.operations.get"),
	},
	KindNetwork: compute("networks", "compute.globalOperations.get", nil),
	KindSubnetwork: { // a grown range is a call of its own (compute/resource_compute_subnetwork.go: expandIpCidrRange)
		VerbCreate: append(on(onProject, "compute.subnetworks.create", "compute.regionOperations.get"), policy...),
		VerbGet:    on(onObject, "compute.subnetworks.get"),
		VerbUpdate: slices.Concat(on(onObject, "compute.subnetworks.update", "compute.subnetworks.expandIpCidrRange"), policy, on(onProject, "compute.regionOperations.get")),
		VerbDelete: slices.Concat(on(onObject, "compute.subnetworks.delete"), policy, on(onProject, "compute.regionOperations.get")),
	},
	KindFirewall: compute("firewalls", "compute.globalOperations.get", policy),
	KindRouter:   compute("routers", "compute.regionOperations.get", policy),
	KindRouterNAT: {
		VerbCreate: on(onProject, "compute.routers.update", "compute.regionOperations.get"),
		VerbGet:    on(onObject, "compute.routers.get"),
		VerbUpdate: on(onObject, "compute.routers.update", "compute.regionOperations.get"),
		VerbDelete: on(onObject, "compute.routers.get", "compute.routers.update", "compute.regionOperations.get"),
	},
	KindAddress: { // of an address, only labels change in place
		VerbCreate: on(onProject, "compute.addresses.create", "compute.addresses.setLabels", "compute.regionOperations.get"),
		VerbGet:    on(onObject, "compute.addresses.get"),
		VerbUpdate: on(onObject, "compute.addresses.setLabels", "compute.regionOperations.get"),
		VerbDelete: on(onObject, "compute.addresses.delete", "compute.regionOperations.get"),
	},
	KindForwardingRule:   compute("forwardingRules", "compute.regionOperations.get", nil),
	KindServiceAccount:   crud("iam.serviceAccounts"),
	KindProjectMember:    binding("resourcemanager.projects", onProject),
	KindAccountMember:    binding("iam.serviceAccounts", onObject),
	KindRepositoryMember: binding("artifactregistry.repositories", onObject),
	KindRepository:       crud("artifactregistry.repositories"),
	KindCustomRole:       crud("iam.roles"),
	KindCluster: {
		// Removing the default pool is an update of the cluster.
		VerbCreate: append(on(onProject, "container.clusters.create", "container.clusters.update", "container.operations.get"), actAs),
		VerbGet:    readPools,
		VerbUpdate: on(onObject, "container.clusters.update", "container.operations.get"),
		VerbDelete: on(onObject, "container.clusters.get", "container.clusters.delete", "container.operations.get"),
	},
	KindNodePool: {
		VerbCreate: append(on(onObject, "container.clusters.update", "container.operations.get"), actAs),
		VerbGet:    readPools,
		VerbUpdate: on(onObject, "container.clusters.update", "container.operations.get"),
		VerbDelete: on(onObject, "container.clusters.get", "container.clusters.update", "container.operations.get"),
	},
	// The client asks for the agent, and reads nothing later ("Create and grant roles to
	// service agents": a Service Usage Admin may).
	KindServiceIdentity: {
		VerbCreate: on(onProject, "serviceusage.services.enable", "serviceusage.operations.get"),
		VerbGet:    {}, VerbUpdate: {}, VerbDelete: {},
	},
	KindCryptoKeyMember: binding("cloudkms.cryptoKeys", onObject),
	KindAdmissionPolicy: { // which is there always, and so is never created or deleted
		VerbCreate: on(onProject, "binaryauthorization.policy.update"),
		VerbGet:    on(onProject, "binaryauthorization.policy.get"),
		VerbUpdate: on(onProject, "binaryauthorization.policy.update"),
		VerbDelete: on(onProject, "binaryauthorization.policy.update"),
	},
	KindAttestor: crud("binaryauthorization.attestors"),
	KindNote:     crud("containeranalysis.notes"),
	KindOccurrence: { // to attach one to a note is a right on the note ("Access control", Artifact Analysis)
		VerbCreate: append(on(onProject, "containeranalysis.occurrences.create"), attach),
		VerbGet:    on(onObject, "containeranalysis.occurrences.get"),
		VerbUpdate: on(onObject, "containeranalysis.occurrences.update"),
		VerbDelete: on(onObject, "containeranalysis.occurrences.delete"),
	},
	KindCertificate: { // to revoke is an update ("certificates.revoke", Certificate Authority Service API)
		VerbCreate: on(onPool, "privateca.certificates.create"),
		VerbGet:    on(onObject, "privateca.certificates.get"),
		VerbUpdate: on(onObject, "privateca.certificates.update"),
		VerbDelete: on(onObject, "privateca.certificates.update"),
	},
	// A private zone is bound to its network when it is made or changed ("Roles and
	// permissions", Cloud DNS).
	KindManagedZone: {
		VerbCreate: on(onProject, "dns.managedZones.create", "dns.networks.bindPrivateDNSZone"),
		VerbGet:    on(onObject, "dns.managedZones.get"),
		VerbUpdate: on(onObject, "dns.managedZones.update", "dns.networks.bindPrivateDNSZone"),
		VerbDelete: on(onObject, "dns.managedZones.delete"),
	},
	// Every change of a record is a change of its zone, for which the client waits
	// ("Roles and permissions", Cloud DNS). It lists the records before it makes one, and to
	// read one.
	KindRecordSet: {
		VerbCreate: on(onZone, "dns.changes.create", "dns.changes.get", "dns.resourceRecordSets.create"),
		VerbGet:    on(onZone, "dns.resourceRecordSets.list"),
		VerbUpdate: on(onZone, "dns.changes.create", "dns.changes.get", "dns.resourceRecordSets.update"),
		VerbDelete: on(onZone, "dns.changes.create", "dns.changes.get", "dns.resourceRecordSets.delete"),
	},
	KindIdentityPool: { // each read asks for the attestation rules (iambeta/resource_iam_workload_identity_pool.go)
		VerbCreate: on(onProject, "iam.workloadIdentityPools.create"),
		VerbGet:    on(onObject, "iam.workloadIdentityPools.get", "iam.workloadIdentityPools.getAttestationRules"),
		VerbUpdate: on(onObject, "iam.workloadIdentityPools.update"),
		VerbDelete: on(onObject, "iam.workloadIdentityPools.delete"),
	},
	KindIdentityProvider: crud("iam.workloadIdentityPoolProviders"),
	KindBucketMember:     binding("storage.buckets", onObject),
	KindSecretMember:     binding("secretmanager.secrets", onObject),
	KindTrigger: { // each method's page, Cloud Build API: one permission is for builds and to change triggers
		VerbCreate: append(on(onProject, "cloudbuild.builds.create"), grant{actAs.permission, onTriggered}),
		VerbGet:    on(onProject, "cloudbuild.builds.get"),
		VerbUpdate: append(on(onProject, "cloudbuild.builds.create"), grant{actAs.permission, onTriggered}),
		VerbDelete: on(onProject, "cloudbuild.builds.create"),
	},
	KindDashboard:           crud("monitoring.dashboards"),
	KindAlertPolicy:         crud("monitoring.alertPolicies"),
	KindNotificationChannel: crud("monitoring.notificationChannels"),
}

// policy is also needed to change what belongs to a network; actAs, to run nodes as an account
// ("Service account permissions", IAM); attach, to attest. To read a cluster or a pool, the
// client lists the zone's instance group managers and looks for those of the pools
// (container/resource_container_node_pool.go: refreshIfNeeded).
var (
	policy    = []grant{{"compute.networks.updatePolicy", onNetwork}}
	readPools = append(on(onObject, "container.clusters.get"), grant{"compute.instanceGroupManagers.list", onProject})
	actAs     = grant{"iam.serviceAccounts.actAs", onNodeAccount}
	attach    = grant{"containeranalysis.notes.attachOccurrence", onNote}
)

func on(s scope, names ...string) []grant {
	var grants []grant
	for _, name := range names {
		grants = append(grants, grant{name, s})
	}
	return grants
}

func crud(prefix string) verbs {
	return verbs{
		VerbCreate: on(onProject, prefix+".create"), VerbGet: on(onObject, prefix+".get"),
		VerbUpdate: on(onObject, prefix+".update"), VerbDelete: on(onObject, prefix+".delete"),
	}
}

func compute(collection, operations string, besides []grant) verbs {
	v := crud("compute." + collection)
	for _, verb := range []Verb{VerbCreate, VerbUpdate, VerbDelete} {
		v[verb] = append(append(v[verb], besides...), grant{operations, onProject})
	}
	return v
}

// binding returns the permissions for a member of a policy: the policy is read, changed and
// written as a whole.
func binding(prefix string, s scope) verbs {
	write := on(s, prefix+".getIamPolicy", prefix+".setIamPolicy")
	return verbs{VerbCreate: write, VerbGet: on(s, prefix+".getIamPolicy"), VerbUpdate: write, VerbDelete: write}
}

// needs lists what a call needs, in the order in which it is asked for.
func (call Call) needs() []need {
	grants := permissions[call.Kind][call.Verb]
	if call.Verb == VerbCreate || call.Verb == VerbUpdate {
		grants = append(slices.Clone(grants), permissions[call.Kind][VerbGet]...)
	}
	var all []need
	for _, g := range grants {
		if call.spares(g) {
			continue
		}
		n := need{permission: g.permission, resource: call.resource(g.on)}
		if strings.HasSuffix(g.permission, ".setIamPolicy") {
			n.role = call.Config.str("role")
		}
		if !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	if call.Kind == KindAdmissionPolicy && (call.Verb == VerbCreate || call.Verb == VerbUpdate) {
		for _, attestor := range attestorsOf(call.Config) {
			all = append(all, need{permission: "binaryauthorization.attestors.get", resource: attestor})
		}
	}
	return all
}

// spares reports whether a call for an Autopilot cluster does not need a permission that others
// need. It has no default pool to remove. With skipNodePoolRefresh it reads no pools either.
func (call Call) spares(g grant) bool {
	if call.Kind != KindCluster || !call.Config.boolean("enableAutopilot") {
		return false
	}
	return call.Verb == VerbCreate && g.permission == "container.clusters.update" ||
		call.Config.boolean("skipNodePoolRefresh") && g.permission == "compute.instanceGroupManagers.list"
}

func (call Call) resource(s scope) string {
	project := "projects/" + segment(call.Name, "projects")
	switch s {
	case onProject:
		return project
	case onNote:
		return call.Config.str("noteName")
	case onNetwork:
		return project + "/global/networks/" + lastSegment(call.Config.str("network"))
	case onPool:
		pool, _, _ := strings.Cut(call.Name, "/certificates/")
		return pool
	case onZone:
		zone, _, _ := strings.Cut(call.Name, "/rrsets/")
		return zone
	case onTriggered:
		return project + "/serviceAccounts/" + lastSegment(call.Config.str("serviceAccount"))
	case onNodeAccount:
		email := first(call.Config.str("nodeConfig.serviceAccount"), call.Config.str("clusterAutoscaling.autoProvisioningDefaults.serviceAccount"))
		if !strings.Contains(email, "@") { // the default of Compute Engine
			email = ProjectNumber(segment(call.Name, "projects")) + "-compute@developer.gserviceaccount.com"
		}
		return project + "/serviceAccounts/" + email
	}
	name, _, _ := strings.Cut(call.Name, "/iam/")
	return name
}

type callerKey struct{}

// As returns a context for calls that an identity makes, see [Cloud.Token]. Without it,
// and with an empty identity, the caller is the project's owner, who may do everything.
func As(ctx context.Context, identity string) context.Context {
	return context.WithValue(ctx, callerKey{}, identity)
}

// Authorize refuses a call for which the caller lacks a permission.
func (c *Cloud) Authorize(ctx context.Context, call Call) error {
	for _, n := range call.needs() {
		if err := c.permit(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// Permit refuses a caller who lacks a permission on a resource, which is given by
// its name. It is also GKE's answer for the objects of a cluster, whose permissions
// are container.<objects>.<verb> on the cluster.
func (c *Cloud) Permit(ctx context.Context, permission, resource string) error {
	return c.permit(ctx, need{permission: permission, resource: resource})
}

func (c *Cloud) permit(ctx context.Context, n need) error {
	identity, _ := ctx.Value(callerKey{}).(string)
	if identity == "" {
		return nil
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.identityExists(identity) {
		return &Error{Code: 404, Reason: "notFound", Message: fmt.Sprintf("Not found; Gaia id not found for email %s", identity)}
	}
	if c.granted(identity, n) {
		return nil
	}
	return denied(n.permission, n.resource)
}

// denied returns the refusal of a call in the words of the called API.
func denied(permission, resource string) error {
	api, _, _ := strings.Cut(permission, ".")
	e := &Error{Code: 403, Reason: "forbidden"}
	switch api {
	case "compute":
		e.Message = fmt.Sprintf("Required '%s' permission for '%s'", permission, resource)
	case "container":
		e.Message = fmt.Sprintf("Required %q permission(s) for %q.", permission, resource)
	case "secretmanager":
		e.Message = fmt.Sprintf("Permission '%s' denied for resource '%s' (or it may not exist).", permission, resource)
	case "resourcemanager":
		api = "cloudresourcemanager"
		fallthrough
	default:
		e.Message = fmt.Sprintf("Permission '%s' denied on resource '//%s.googleapis.com/%s' (or it may not exist).", permission, api, resource)
	}
	return e
}
