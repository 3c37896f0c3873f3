package gcp

import (
	"regexp"
	"slices"
	"strings"
	"time"
)

// A custom role is a list of permissions that a project keeps ("Create and manage
// custom roles", IAM documentation, for the rules).
var customRoleRule = &rule{
	kind: KindCustomRole, name: "projects/{project}/roles/{roleId}",
	permissions: crud("iam.roles"),
	noun:        "role", quota: quota{metric: "CUSTOM_ROLES", limit: 300}, // "Quotas and limits", IAM
	check: checkCustomRole, admit: admitCustomRole,
	// A deleted role can be undeleted for 7 days, which the Terraform provider does when
	// it creates one of that ID, and is then removed for 30 days more.
	revived: 7 * 24 * time.Hour, reserved: 37 * 24 * time.Hour,
}

var (
	roleID         = regexp.MustCompile(`^[a-zA-Z0-9_.]{3,64}$`)
	permissionName = regexp.MustCompile(`^[a-z][a-zA-Z0-9-]*\.[a-zA-Z0-9]+\.[a-zA-Z0-9]+$`)
)

func checkCustomRole(p Properties) []Violation {
	c := &checker{p: p}
	c.match("roleId", roleID, "be 3-64 letters, digits, underscores and periods")
	c.oneOf("stage", "ALPHA", "BETA", "GA", "DEPRECATED", "DISABLED", "EAP")
	if n := len(p.str("title")); n > 100 {
		c.wrong("title", "%d characters are more than 100", n)
	}
	if n := len(p.str("description")); n > 300 {
		c.wrong("description", "%d characters are more than 300", n)
	}
	for _, name := range p.strings("permissions") {
		if name != "" && !permissionName.MatchString(name) {
			c.wrong("permissions", "%q is not <service>.<resource>.<verb>", name)
		}
	}
	return c.found
}

func admitCustomRole(t *change) error {
	t.complete(Properties{"name": t.new.Name}, Properties{"stage": "GA", "deleted": false})
	return nil
}

// predefined maps the roles that this repository grants or names to patterns of their
// permissions, where * is any text ("IAM basic and predefined roles reference").
var predefined = map[string][]string{
	"roles/owner": {"*"},
	"roles/editor": {"*.create", "*.get", "*.list", "*.update", "*.delete", "*.use", "*.updatePolicy", "*.setLabels",
		"*.enable", "*.disable", "iam.serviceAccounts.actAs", "artifactregistry.repositories.*Artifacts", "container.*"},
	"roles/viewer":                     {"*.get", "*.list", "artifactregistry.repositories.downloadArtifacts"},
	"roles/artifactregistry.admin":     {"artifactregistry.*"},
	"roles/artifactregistry.repoAdmin": {"artifactregistry.repositories.*Artifacts", "artifactregistry.repositories.get", "artifactregistry.repositories.list"},
	"roles/artifactregistry.writer": {"artifactregistry.repositories.uploadArtifacts", "artifactregistry.repositories.downloadArtifacts",
		"artifactregistry.repositories.get", "artifactregistry.repositories.list"},
	"roles/artifactregistry.reader": {"artifactregistry.repositories.downloadArtifacts", "artifactregistry.repositories.get", "artifactregistry.repositories.list"},
	"roles/container.admin":         {"container.*", "resourcemanager.projects.get", "resourcemanager.projects.list"},
	"roles/container.developer": {"container.clusters.get", "container.clusters.list", "container.configMaps.*", "container.deployments.*",
		"container.namespaces.*", "container.networkPolicies.*", "container.podDisruptionBudgets.*", "container.secrets.*",
		"container.serviceAccounts.*", "container.services.*", "container.thirdPartyObjects.*", "container.pods.*", "resourcemanager.projects.get"},
	"roles/iam.serviceAccountUser":          {"iam.serviceAccounts.actAs", "iam.serviceAccounts.get", "iam.serviceAccounts.list", "resourcemanager.projects.get"},
	"roles/resourcemanager.projectIamAdmin": {"resourcemanager.projects.get", "resourcemanager.projects.getIamPolicy", "resourcemanager.projects.setIamPolicy"},
	"roles/compute.networkAdmin": {"compute.networks.*", "compute.subnetworks.*", "compute.addresses.*", "compute.routers.*",
		"compute.firewalls.get", "compute.firewalls.list", "compute.globalOperations.get", "compute.regionOperations.get", "compute.forwardingRules.*"},
	"roles/serviceusage.serviceUsageAdmin": {"serviceusage.*"},
	"roles/iam.workloadIdentityUser":       {"iam.serviceAccounts.get", "iam.serviceAccounts.getAccessToken", "iam.serviceAccounts.getOpenIdToken", "iam.serviceAccounts.list"},
	"roles/storage.objectViewer":           {"resourcemanager.projects.get", "storage.objects.get", "storage.objects.list"},
	"roles/storage.objectUser": {"resourcemanager.projects.get", "storage.objects.create", "storage.objects.delete", "storage.objects.get",
		"storage.objects.list", "storage.objects.update"},
	"roles/cloudkms.signer":                      {"cloudkms.cryptoKeyVersions.useToSign", "resourcemanager.projects.get"},
	"roles/cloudkms.cryptoKeyDecrypter":          {"cloudkms.cryptoKeyVersions.useToDecrypt", "resourcemanager.projects.get"},
	"roles/cloudkms.cryptoKeyEncrypterDecrypter": {"cloudkms.cryptoKeyVersions.useToDecrypt", "cloudkms.cryptoKeyVersions.useToEncrypt", "resourcemanager.projects.get"},
	"roles/secretmanager.secretAccessor":         {"resourcemanager.projects.get", "resourcemanager.projects.list", "secretmanager.versions.access"},
	"roles/secretmanager.viewer": {"resourcemanager.projects.get", "resourcemanager.projects.list", "secretmanager.secrets.get",
		"secretmanager.secrets.list", "secretmanager.versions.get", "secretmanager.versions.list"},
	"roles/logging.logWriter": {"logging.logEntries.create"},
}

// holds reports whether a role has a permission.
func holds(v View, role, permission string) bool {
	patterns := predefined[role]
	if o, ok := v.object(role); ok && o.made() && o.Kind == KindCustomRole && o.Config.str("stage") != "DISABLED" {
		patterns = o.Config.strings("permissions")
	}
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		before, after, wild := strings.Cut(pattern, "*")
		return !wild && pattern == permission ||
			wild && len(permission) >= len(before)+len(after) && strings.HasPrefix(permission, before) && strings.HasSuffix(permission, after)
	})
}

// granted reports whether an identity, or anybody if it is empty, has a permission on a
// resource: by the policy of the resource, of what it is in, or of its project. Federated
// identities are not among allAuthenticatedUsers ("Principal identifiers", IAM).
func granted(v View, identity string, n Need) bool {
	project := segment(n.Resource, "projects")
	members := []string{"allUsers"}
	if identity != "" {
		members = append(members, memberOf(identity))
	}
	if strings.Contains(identity, "@") {
		members = append(members, "allAuthenticatedUsers")
	}
	for _, o := range v.all("", "") {
		on, _, bound := strings.Cut(o.Name, "/iam/")
		whole := on == "projects/"+project || on == "projects/"+o.project() && ProjectNumber(o.project()) == project // some names have the number
		if bound && o.made() && (on == n.Resource || strings.HasPrefix(n.Resource, on+"/objects/") || strings.HasPrefix(n.Resource, on+"/versions/") || whole) &&
			slices.Contains(members, o.Config.str("member")) && holds(v, o.Config.str("role"), n.Permission) &&
			meets(n, o.Config.object("condition")) {
			return true
		}
	}
	return false
}
