package gcpprovider

import (
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/artifactregistry"
	"example.com/grpc-edge/sandbox/gcp/binaryauthorization"
	"example.com/grpc-edge/sandbox/gcp/cloudbuild"
	"example.com/grpc-edge/sandbox/gcp/compute"
	"example.com/grpc-edge/sandbox/gcp/dns"
	"example.com/grpc-edge/sandbox/gcp/iam"
	"example.com/grpc-edge/sandbox/gcp/kms"
	"example.com/grpc-edge/sandbox/gcp/monitoring"
	"example.com/grpc-edge/sandbox/gcp/privateca"
	"example.com/grpc-edge/sandbox/gcp/secretmanager"
	"example.com/grpc-edge/sandbox/gcp/serviceusage"
)

// resourceType describes what the SDK's schema leaves out of a type.
type resourceType struct {
	kind gcp.Kind
	// source is the file of the Terraform provider that Pulumi's is made from, in its folder
	// services. Replacements, defaults and what stays follow its schema (ForceNew, Default,
	// Optional and Computed). For a member of a policy, it is the policy's file; the rest is
	// in tpgiamresource/resource_iam_member.go.
	source string
	// autoname is the property that gets a generated name, of at most maxName
	// characters, if the program gives none.
	autoname string
	maxName  int
	// labels is the property that holds labels, if the type has them.
	labels string
	// place lists the properties that are known before the object exists.
	place []string
	// defaults are given to inputs that the program leaves out.
	defaults map[string]any
	// conflicts maps a property to the properties that cannot be given together with it
	// (ConflictsWith). They do not get their defaults then either.
	conflicts map[string][]string
	// replace lists the paths, without indexes, that cannot change in place.
	replace []string
	// replaceIf maps the paths that cannot change in place in one direction to a function that
	// reports whether a change needs a new object.
	replaceIf map[string]func(old, new any) bool
	// references lists the properties that name another object in any of several forms.
	references []string
	// unchanged reports, by path, whether a change of a text changes nothing. It gets the
	// object's text and the program's new one.
	unchanged map[string]func(state, new string) bool
	// computed lists the nested properties that Google fills in.
	computed []string
	// sets lists the paths, without indexes, of lists whose order means nothing (TypeSet, or a
	// DiffSuppressFunc that says so).
	sets []string
	// unread marks an object that the client never reads: it is what it was created as, and
	// cannot be imported.
	unread bool
	// stays lists the list properties that stay as they were when a program no longer gives them
	// (Optional and Computed). For texts, numbers and objects, the SDK's types show it.
	stays []string
	// reported lists the texts that Google may report in another form than given.
	reported []string
	// nested maps paths to defaults inside an object; they apply if the program gives the object.
	nested map[string]any
	// replaced lists the objects that cannot change in place as a whole. Parts of them are unknown
	// again with each replacement, which shows them among its reasons.
	replaced []string
	// foreseen returns the outputs that a preview knows (CustomizeDiff).
	foreseen func(s *session, inputs resource.PropertyMap) resource.PropertyMap
	// shortID and fullName convert between Pulumi's ID and the object's name
	// where they differ.
	shortID, fullName func(string) string
}

// keeps reports whether Google keeps a property that a program no longer gives.
func (t resourceType) keeps(schema typeSchema, property string) bool {
	return slices.Contains(schema.Computed, property) || slices.Contains(t.stays, property)
}

func (t resourceType) id(name string) string {
	if t.shortID == nil {
		return name
	}
	return t.shortID(name)
}

func (t resourceType) name(id string) string {
	if t.fullName == nil {
		return id
	}
	return t.fullName(id)
}

var resourceTypes = map[string]resourceType{
	"gcp:projects/service:Service": {
		source: "resourcemanager/resource_google_project_service.go",
		kind:   gcp.KindService, place: []string{"project"}, replace: []string{"project", "service"},
		shortID:  rewrite(`^projects/([^/]+)/services/([^/]+)$`, "$1/$2"),
		fullName: rewrite(`^([^/]+)/([^/]+)$`, "projects/$1/services/$2"),
	},
	"gcp:compute/network:Network": {
		source: "compute/resource_compute_network.go",
		kind:   compute.KindNetwork, autoname: "name", maxName: 63, place: []string{"project"},
		defaults: map[string]any{"autoCreateSubnetworks": true,
			"networkFirewallPolicyEnforcementOrder": "AFTER_CLASSIC_FIREWALL"},
		replace: words("autoCreateSubnetworks description internalIpv6Range name networkProfile params project"),
	},
	"gcp:compute/subnetwork:Subnetwork": {
		source: "compute/resource_compute_subnetwork.go",
		kind:   compute.KindSubnetwork, autoname: "name", maxName: 63, place: []string{"project", "region"},
		replace: words("description externalIpv6Prefix internalIpv6Prefix name network params project region " +
			"reservedInternalRange resolveSubnetMask"),
		replaceIf:  map[string]func(old, new any) bool{"ipCidrRange": shrinks},
		references: []string{"network", "region"},
		nested: map[string]any{"logConfig.aggregationInterval": "INTERVAL_5_SEC", "logConfig.filterExpr": "true",
			"logConfig.flowSampling": 0.5, "logConfig.metadata": "INCLUDE_ALL_METADATA"},
		stays: []string{"secondaryIpRanges"},
	},
	"gcp:compute/address:Address": {
		source: "compute/resource_compute_address.go",
		kind:   compute.KindAddress, autoname: "name", maxName: 63, labels: "labels", place: []string{"project", "region"},
		defaults: map[string]any{"addressType": "EXTERNAL"},
		replace: words("address addressType description ipCollection ipVersion ipv6EndpointType name network " +
			"networkTier prefixLength project purpose region subnetwork"),
		references: []string{"network", "subnetwork", "region"},
	},
	"gcp:compute/router:Router": {
		source: "compute/resource_compute_router.go",
		kind:   compute.KindRouter, autoname: "name", maxName: 63, place: []string{"project", "region"},
		replace:    words("encryptedInterconnectRouter name nccGateway network params project region"),
		references: []string{"network", "region"},
	},
	"gcp:compute/routerNat:RouterNat": {
		source: "compute/resource_compute_router_nat.go",
		kind:   compute.KindRouterNAT, autoname: "name", maxName: 63, place: []string{"project", "region"},
		defaults: map[string]any{"icmpIdleTimeoutSec": 30.0, "tcpEstablishedIdleTimeoutSec": 1200.0,
			"tcpTimeWaitTimeoutSec": 120.0, "tcpTransitoryIdleTimeoutSec": 30.0, "udpIdleTimeoutSec": 30.0, "type": "PUBLIC"},
		replace:    words("endpointTypes initialNatIps name project region router type"),
		stays:      words("drainNatIps endpointTypes natIps"),
		sets:       words("subnetworks subnetworks.sourceIpRangesToNats"),
		references: []string{"router", "region"},
		shortID:    rewrite(`^projects/([^/]+)/regions/([^/]+)/routers/([^/]+)/nats/([^/]+)$`, "$1/$2/$3/$4"),
		fullName:   rewrite(`^([^/]+)/([^/]+)/([^/]+)/([^/]+)$`, "projects/$1/regions/$2/routers/$3/nats/$4"),
	},
	"gcp:serviceaccount/account:Account": {
		source: "resourcemanager/resource_google_service_account.go",
		kind:   iam.KindServiceAccount, autoname: "accountId", maxName: 30, place: []string{"project"},
		replace: words("accountId project"), foreseen: accountMember,
	},
	"gcp:projects/iAMCustomRole:IAMCustomRole": {
		source: "resourcemanager/resource_google_project_iam_custom_role.go",
		kind:   iam.KindCustomRole, place: []string{"project"},
		defaults: map[string]any{"stage": "GA"}, replace: words("project roleId"), sets: []string{"permissions"},
	},
	"gcp:projects/iAMMember:IAMMember": {
		source: "resourcemanager/iam_project.go",
		kind:   iam.KindProjectMember, replace: words("condition member project role"), references: []string{"project"},
		shortID:  rewrite(`^projects/([^/]+)/iam/(.+)$`, "$1/$2"),
		fullName: rewrite(`^([^/ ]+)[/ ]((?:projects/[^/]+/|organizations/[^/]+/)?roles/[^/ ]+)[/ ](.+)$`, "projects/$1/iam/$2/$3"),
	},
	"gcp:serviceaccount/iAMMember:IAMMember": {
		source: "resourcemanager/iam_service_account.go",
		kind:   iam.KindAccountMember, replace: words("condition member role serviceAccountId"),
		shortID: withoutPolicy, fullName: withPolicy,
	},
	"gcp:artifactregistry/repository:Repository": {
		source: "artifactregistry/resource_artifact_registry_repository.go",
		kind:   artifactregistry.KindRepository, labels: "labels", place: []string{"project"},
		defaults: map[string]any{"mode": "STANDARD_REPOSITORY"}, sets: []string{"cleanupPolicies"},
		// Credentials for the upstream change in place.
		replace: words(`format kmsKeyName location mavenConfig.allowSnapshotOverwrites mavenConfig.versionPolicy mode project
			remoteRepositoryConfig.aptRepository remoteRepositoryConfig.commonRepository remoteRepositoryConfig.description
			remoteRepositoryConfig.dockerRepository remoteRepositoryConfig.mavenRepository remoteRepositoryConfig.npmRepository
			remoteRepositoryConfig.pythonRepository remoteRepositoryConfig.yumRepository repositoryId`),
	},
	"gcp:artifactregistry/repositoryIamMember:RepositoryIamMember": {
		source:     "artifactregistry/iam_artifact_registry_repository.go",
		kind:       artifactregistry.KindRepositoryMember,
		replace:    words("condition location member project repository role"),
		references: []string{"repository"},
		shortID:    withoutPolicy, fullName: withPolicy,
	},
	"gcp:projects/serviceIdentity:ServiceIdentity": {
		source: "resourcemanager/resource_project_service_identity.go",
		kind:   serviceusage.KindServiceIdentity, place: []string{"project"}, replace: words("project service"), unread: true,
		shortID:  rewrite(`/serviceIdentities/`, "/services/"),
		fullName: rewrite(`/services/`, "/serviceIdentities/"),
	},
	"gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember": {
		source: "kms/iam_kms_crypto_key.go",
		kind:   kms.KindCryptoKeyMember, replace: words("condition cryptoKeyId member role"),
		shortID: withoutPolicy, fullName: withPolicy,
	},
	"gcp:binaryauthorization/policy:Policy": {
		source: "binaryauthorization/resource_binary_authorization_policy.go",
		kind:   binaryauthorization.KindAdmissionPolicy, place: []string{"project"}, replace: []string{"project"},
		sets:     words("defaultAdmissionRule.requireAttestationsBies clusterAdmissionRules"),
		shortID:  rewrite(`/policy$`, ""),
		fullName: rewrite(`^(projects/[^/]+)$`, "$1/policy"),
	},
	"gcp:binaryauthorization/attestor:Attestor": {
		source: "binaryauthorization/resource_binary_authorization_attestor.go",
		kind:   binaryauthorization.KindAttestor, autoname: "name", maxName: 63, place: []string{"project"},
		replace:    words("name project attestationAuthorityNote.noteReference"),
		references: []string{"attestationAuthorityNote.noteReference"},
		computed:   []string{"attestationAuthorityNote.delegationServiceAccountEmail"},
	},
	"gcp:containeranalysis/note:Note": {
		source: "containeranalysis/resource_container_analysis_note.go",
		kind:   binaryauthorization.KindNote, autoname: "name", maxName: 63, place: []string{"project"},
		replace: words("name project"),
	},
	"gcp:containeranalysis/occurence:Occurence": {
		source: "containeranalysis/resource_container_analysis_occurrence.go",
		kind:   binaryauthorization.KindOccurrence, place: []string{"project"}, replace: words("noteName project resourceUri"),
	},
	"gcp:certificateauthority/certificate:Certificate": {
		source: "privateca/resource_privateca_certificate.go",
		kind:   privateca.KindCertificate, autoname: "name", maxName: 63, labels: "labels", place: []string{"project"},
		defaults: map[string]any{"lifetime": "315360000s"},
		replace:  words("certificateAuthority certificateTemplate config lifetime location name pemCsr pool project"),
	},
	"gcp:dns/managedZone:ManagedZone": {
		source: "dns/resource_dns_managed_zone.go",
		kind:   dns.KindManagedZone, autoname: "name", maxName: 63, labels: "labels", place: []string{"project"},
		// The description is Pulumi's own (pulumi-gcp, provider/resources.go: managedByPulumi).
		defaults: map[string]any{"description": "Managed by Pulumi", "visibility": "public"},
		replace:  words("dnsName name project visibility"), sets: []string{"privateVisibilityConfig.networks"},
	},
	"gcp:dns/recordSet:RecordSet": {
		source: "dns/resource_dns_record_set.go",
		kind:   dns.KindRecordSet, place: []string{"project"}, replace: words("managedZone name project"), sets: []string{"rrdatas"},
	},
	"gcp:iam/workloadIdentityPool:WorkloadIdentityPool": {
		source: "iambeta/resource_iam_workload_identity_pool.go",
		kind:   iam.KindIdentityPool, place: []string{"project"}, replace: words("project workloadIdentityPoolId"),
	},
	"gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider": {
		source: "iambeta/resource_iam_workload_identity_pool_provider.go",
		kind:   iam.KindIdentityProvider, place: []string{"project"}, replace: words("project workloadIdentityPoolId workloadIdentityPoolProviderId"),
	},
	"gcp:storage/bucketIAMMember:BucketIAMMember": {
		source: "storage/iam_storage_bucket.go",
		kind:   iam.KindBucketMember, replace: words("bucket condition member role"),
		shortID:  rewrite(`^projects/[^/]+/buckets/([^/]+)/iam/(.+)$`, "b/$1/$2"),
		fullName: rewrite(`^b/(.+)-pulumi-state[/ ]((?:projects/[^/]+/|organizations/[^/]+/)?roles/[^/ ]+)[/ ](.+)$`, "projects/$1/buckets/$1-pulumi-state/iam/$2/$3"),
	},
	"gcp:secretmanager/secretIamMember:SecretIamMember": {
		source: "secretmanager/iam_secret_manager_secret.go",
		kind:   secretmanager.KindSecretMember, replace: words("condition member project role secretId"),
		shortID: withoutPolicy, fullName: withPolicy,
	},
	"gcp:cloudbuild/trigger:Trigger": {
		source: "cloudbuild/resource_cloudbuild_trigger.go",
		kind:   cloudbuild.KindTrigger, autoname: "name", maxName: 64, place: []string{"project"},
		defaults: map[string]any{"location": "global"}, replace: words("location project"),
	},
	"gcp:monitoring/dashboard:Dashboard": {
		source: "monitoring/resource_monitoring_dashboard.go",
		kind:   monitoring.KindDashboard, place: []string{"project"}, replace: []string{"project"},
		unchanged: map[string]func(state, new string) bool{"dashboardJson": includes},
	},
	"gcp:monitoring/alertPolicy:AlertPolicy": {
		source: "monitoring/resource_monitoring_alert_policy.go",
		kind:   monitoring.KindAlertPolicy, place: []string{"project"}, replace: []string{"project"},
		defaults: map[string]any{"enabled": true}, nested: map[string]any{"documentation.mimeType": "text/markdown"},
	},
	"gcp:monitoring/notificationChannel:NotificationChannel": {
		source: "monitoring/resource_monitoring_notification_channel.go",
		kind:   monitoring.KindNotificationChannel, place: []string{"project"}, replace: []string{"project"},
		defaults: map[string]any{"enabled": true},
	},
	"gcp:container/cluster:Cluster":   clusterType,
	"gcp:container/nodePool:NodePool": nodePoolType,
}

// accountMember returns an account's email and member, which follow from its ID
// (resourceServiceAccountCustomDiff).
func accountMember(s *session, inputs resource.PropertyMap) resource.PropertyMap {
	text := func(key resource.PropertyKey) string { v, _ := plainValue(inputs[key]).(string); return v }
	id, project := text("accountId"), text("project")
	if project == "" && inputs["project"].IsNull() {
		project = s.place.Project
	}
	if id == "" || project == "" {
		return nil
	}
	email := id + "@" + project + ".iam.gserviceaccount.com"
	return resource.PropertyMap{"email": resource.NewProperty(email), "member": resource.NewProperty("serviceAccount:" + email)}
}

func words(s string) []string { return strings.Fields(s) }

// rewrite converts strings that match a pattern and leaves others alone.
func rewrite(pattern, replacement string) func(string) string {
	re := regexp.MustCompile(pattern)
	return func(s string) string { return re.ReplaceAllString(s, replacement) }
}

// The name of an IAM binding has "/iam/" between its resource and its role,
// but Pulumi's ID does not; IDs for import may have spaces instead of slashes.
var (
	withoutPolicy = rewrite(`^(.+)/iam/(.+)$`, "$1/$2")
	withPolicy    = rewrite(`^(.+?)[/ ]((?:projects/[^/]+/|organizations/[^/]+/)?roles/[^/ ]+)[/ ](.+)$`, "$1/iam/$2/$3")
)
