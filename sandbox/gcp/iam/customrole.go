package iam

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"example.com/grpc-edge/sandbox/gcp"
)

// customRoleResource describes custom roles: lists of permissions that a project keeps ("Create and
// manage custom roles", IAM documentation, for the rules).
var customRoleResource = &gcp.Resource{
	Kind: KindCustomRole, Noun: "role", Name: "projects/{project}/roles/{roleId}",
	Permissions: customRolePermissions(),
	Quota:       gcp.Quota{Metric: "CUSTOM_ROLES", Limit: 300}, // "Quotas and limits", IAM
	Check:       checkCustomRole, Admit: admitCustomRole,
	// A deleted role can be undeleted for 7 days, which the Terraform provider does when it
	// creates or changes one of that ID (resource_google_project_iam_custom_role.go). Its reads do
	// not tell a deleted role from another. For 30 more days the ID stays taken.
	Revived: 7 * 24 * time.Hour, Reserved: 37 * 24 * time.Hour,
}

func customRolePermissions() gcp.Verbs {
	verbs := gcp.CRUD("iam.roles")
	verbs[gcp.VerbUndelete] = gcp.On(gcp.OnObject, "iam.roles.undelete", "iam.roles.update")
	return verbs
}

var (
	roleID         = regexp.MustCompile(`^[a-zA-Z0-9_.]{3,64}$`)
	permissionName = regexp.MustCompile(`^[a-z][a-zA-Z0-9-]*\.[a-zA-Z0-9]+\.[a-zA-Z0-9]+$`)
)

func checkCustomRole(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p}
	c.Match("roleId", roleID, "be 3-64 letters, digits, underscores and periods")
	c.OneOf("stage", "ALPHA", "BETA", "GA", "DEPRECATED", "DISABLED", "EAP")
	if n := len(p.Text("title")); n > 100 {
		c.Wrong("title", "%d characters are more than 100", n)
	}
	if n := len(p.Text("description")); n > 300 {
		c.Wrong("description", "%d characters are more than 300", n)
	}
	if p.Has("permissions") && len(p.Texts("permissions")) == 0 {
		c.Wrong("permissions", "must not be empty")
	}
	for _, name := range p.Texts("permissions") {
		if name != "" && !permissionName.MatchString(name) {
			c.Wrong("permissions", "%q is not <service>.<resource>.<verb>", name)
		}
	}
	return c.Found
}

func admitCustomRole(t *gcp.Change) error {
	t.Complete(gcp.Properties{"name": t.New.Name}, gcp.Properties{"stage": "GA", "deleted": false})
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
func holds(v gcp.View, role, permission string) bool {
	patterns := predefined[role]
	if o, ok := v.Object(role); ok && o.Made() && o.Kind == KindCustomRole && o.Config.Text("stage") != "DISABLED" {
		patterns = o.Config.Texts("permissions")
	}
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		before, after, wild := strings.Cut(pattern, "*")
		return !wild && pattern == permission ||
			wild && len(permission) >= len(before)+len(after) && strings.HasPrefix(permission, before) && strings.HasSuffix(permission, after)
	})
}

// granted reports whether an identity has a permission on a resource: by the policy of the
// resource, of its parent, or of its project.
func granted(v gcp.View, identity string, n gcp.Need) bool {
	project := gcp.Segment(n.Resource, "projects")
	for _, o := range v.All("", "") {
		on, _, bound := strings.Cut(o.Name, "/iam/")
		whole := on == "projects/"+project || on == "projects/"+o.Project() && gcp.ProjectNumber(o.Project()) == project // some names have the number
		if bound && o.Made() && (on == n.Resource || strings.HasPrefix(n.Resource, on+"/objects/") || strings.HasPrefix(n.Resource, on+"/versions/") || whole) &&
			o.Config.Text("member") == gcp.MemberOf(identity) && holds(v, o.Config.Text("role"), n.Permission) &&
			meets(n, o.Config.Object("condition")) {
			return true
		}
	}
	return false
}
