package gcp

import (
	"regexp"
	"strings"
)

// A member of a policy is the grant of one role to one principal on one
// resource ("Understanding allow policies", IAM documentation).
var (
	projectMemberRule = &rule{
		kind: KindProjectMember, name: "projects/{project}/iam/{role}/{member}",
		permissions: binding("resourcemanager.projects", onProject),
		noun:        "IAM binding", idempotent: true, check: checkMember, admit: admitMember,
	}
	accountMemberRule = &rule{
		kind: KindAccountMember, name: "projects/{project}/serviceAccounts/{account}/iam/{role}/{member}",
		permissions: binding("iam.serviceAccounts", onObject),
		noun:        "IAM binding", idempotent: true, check: checkMember, admit: admitAccountMember,
	}
)

var (
	role = regexp.MustCompile(`^(roles/[a-zA-Z0-9._]+|(projects|organizations)/[^/]+/roles/[a-zA-Z0-9._]+)$`)
	// principal is any of the forms of "Principal identifiers" (IAM documentation).
	principal = regexp.MustCompile(`^(allUsers|allAuthenticatedUsers|(user|group|serviceAccount|domain|` +
		`projectOwner|projectEditor|projectViewer|deleted):[^ ]+|principal(Set)?://[^ ]+)$`)
	// workloadIdentity is a Kubernetes service account ("Workload Identity
	// Federation for GKE").
	workloadIdentity = regexp.MustCompile(`^serviceAccount:([^\[\]]+\.svc\.id\.goog)\[([^/\[\]]+)/([^/\[\]]+)\]$`)
	// workloadPrincipal matches the same without a Google account in between, see
	// [WorkloadPrincipal].
	workloadPrincipal = regexp.MustCompile(`^principal://iam\.googleapis\.com/projects/([0-9]+)/locations/global/` +
		`workloadIdentityPools/([^/]+)\.svc\.id\.goog/subject/ns/[a-z0-9-]+/sa/[a-z0-9.-]+$`)
)

func checkMember(p Properties) []Violation {
	c := &checker{p: p}
	c.match("role", role, "be roles/<name> or a custom role's full name")
	c.match("member", principal, "be a principal such as serviceAccount:<email>, user:<email> or allUsers")
	if member := p.str("member"); strings.Contains(member, "://iam.googleapis.com/") && !workloadPrincipal.MatchString(member) {
		c.match("member", federated, "be a principal of a pool by the number of its project: principal://…/subject/<subject>, "+
			"or principalSet://…/attribute.<name>/<value>, /group/<group> or /*; of a cluster's pool, <project>.svc.id.goog, "+
			"only principal://…/subject/ns/<namespace>/sa/<account> is emulated")
	}
	c.condition()
	return c.found
}

func admitMember(t *change) error {
	member := t.new.Config.str("member")
	if t.new.Config.has("condition") && t.new.Kind != KindProjectMember && t.new.Kind != KindBucketMember {
		return badRequest("IAM conditions are emulated on projects and buckets only: grant the role without a condition")
	}
	t.complete(nil, Properties{"etag": fingerprint()})
	if m := workloadIdentity.FindStringSubmatch(member); m != nil {
		return t.identityPool(m[1])
	}
	if m := workloadPrincipal.FindStringSubmatch(member); m != nil {
		if m[1] != ProjectNumber(m[2]) {
			return badRequest("Identity Pool does not exist (projects/%s/locations/global/workloadIdentityPools/%s.svc.id.goog).", m[1], m[2])
		}
		return t.identityPool(m[2] + ".svc.id.goog")
	}
	if err := t.federatedPool(member); err != nil {
		return err
	}
	if email, ok := strings.CutPrefix(member, "serviceAccount:"); ok && !t.accountExists(email) {
		return badRequest("Service account %s does not exist.", email)
	}
	return nil
}

// gkeCluster is the kind of GKE's clusters, whose package needs this one.
const gkeCluster Kind = "container.googleapis.com/Cluster"

// identityPool checks that a workload identity pool exists. The project's first cluster with
// Workload Identity creates it.
func (t *change) identityPool(pool string) error {
	for _, cluster := range t.all(gkeCluster, "projects/") {
		if cluster.made() && cluster.Properties().str("workloadIdentityConfig.workloadPool") == pool {
			return nil
		}
	}
	return badRequest("Identity Pool does not exist (%s). Please check that you specified a valid resource name as "+
		"returned in the `name` attribute in the configuration API.", pool)
}

func admitAccountMember(t *change) error {
	name, _, _ := strings.Cut(t.new.Name, "/iam/")
	if !t.accountExists(lastSegment(name)) {
		return notFound(name)
	}
	return admitMember(t)
}
