package iam

import (
	"regexp"
	"strings"

	"example.com/grpc-edge/sandbox/gcp"
)

// A member of a policy is the grant of one role to one principal on one
// resource ("Understanding allow policies", IAM documentation).
var (
	projectMemberResource = &gcp.Resource{
		Kind: KindProjectMember, Noun: "IAM binding", Name: "projects/{project}/iam/{role}/{member}",
		Permissions: gcp.Binding("resourcemanager.projects", gcp.OnProject),
		Idempotent:  true, Check: CheckMember, Admit: AdmitMember,
	}
	accountMemberResource = &gcp.Resource{
		Kind: KindAccountMember, Noun: "IAM binding", Name: "projects/{project}/serviceAccounts/{account}/iam/{role}/{member}",
		Permissions: gcp.Binding("iam.serviceAccounts", gcp.OnObject),
		Idempotent:  true, Check: checkAccountMember, Admit: admitAccountMember,
	}
)

var (
	role = regexp.MustCompile(`^(roles/[a-zA-Z0-9._]+|(projects|organizations)/[^/]+/roles/[a-zA-Z0-9._]+)$`)
	// accountMember matches a service account. The Terraform provider changes capital letters to
	// small ones (tpgresource/utils.go: NormalizeIamPrincipalCasing).
	accountMember = regexp.MustCompile(`^serviceAccount:[-a-z0-9.]+@[-a-z0-9.]+\.gserviceaccount\.com$`)
	// accountLink matches the name of an account that has a policy (verify/validation.go:
	// ServiceAccountLinkRegex).
	accountLink = regexp.MustCompile(`^projects/[^/]+/serviceAccounts/[-a-z0-9]+@[-a-z0-9.]+\.gserviceaccount\.com$`)
	// workloadPrincipal matches a Kubernetes service account, see [gcp.WorkloadPrincipal].
	workloadPrincipal = regexp.MustCompile(`^principal://iam\.googleapis\.com/projects/([0-9]+)/locations/global/` +
		`workloadIdentityPools/([^/]+)\.svc\.id\.goog/subject/ns/[a-z0-9-]+/sa/[a-z0-9.-]+$`)
)

// CheckMember checks the description of a member of a policy.
func CheckMember(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p}
	c.Match("role", role, "be roles/<name> or a custom role's full name")
	if member := p.Text("member"); strings.Contains(member, "://") && !workloadPrincipal.MatchString(member) {
		c.Match("member", federated, "be a principal of a pool by the number of its project: principal://…/subject/<subject>, "+
			"or principalSet://…/attribute.<name>/<value>, /group/<group> or /*; of a cluster's pool, <project>.svc.id.goog, "+
			"only principal://…/subject/ns/<namespace>/sa/<account> is emulated")
	} else if !strings.Contains(member, "://") {
		c.Match("member", accountMember, "be serviceAccount:<email> in lower case, or a principal of a pool: no stack grants a role "+
			"to anybody else, and the sandbox does not emulate it")
	}
	checkCondition(c)
	return c.Found
}

// AdmitMember checks that the principal of a member exists, and completes the member.
func AdmitMember(t *gcp.Change) error {
	member, role := t.New.Config.Text("member"), t.New.Config.Text("role")
	if t.New.Config.Has("condition") && t.New.Kind != KindProjectMember && t.New.Kind != KindBucketMember {
		return gcp.BadRequest("IAM conditions are emulated on projects and buckets only: grant the role without a condition")
	}
	if o, ok := t.Object(role); !strings.HasPrefix(role, "roles/") && (!ok || !o.Made()) {
		return gcp.BadRequest("Role (%s) does not exist in the resource's hierarchy.", role)
	}
	t.Complete(nil, gcp.Properties{"etag": gcp.Fingerprint()})
	if m := workloadPrincipal.FindStringSubmatch(member); m != nil {
		if m[1] != gcp.ProjectNumber(m[2]) {
			return gcp.BadRequest("Identity Pool does not exist (projects/%s/locations/global/workloadIdentityPools/%s.svc.id.goog).", m[1], m[2])
		}
		return checkClusterPool(t, m[2]+".svc.id.goog")
	}
	if err := checkFederatedPool(t, member); err != nil {
		return err
	}
	if email, ok := strings.CutPrefix(member, "serviceAccount:"); ok && !t.AccountExists(email) {
		return gcp.BadRequest("Service account %s does not exist.", email)
	}
	return nil
}

// gkeCluster is the kind of GKE's clusters, whose package needs this one.
const gkeCluster gcp.Kind = "container.googleapis.com/Cluster"

// checkClusterPool checks that a workload identity pool exists. The project's first cluster with
// Workload Identity creates it.
func checkClusterPool(t *gcp.Change, pool string) error {
	for _, cluster := range t.All(gkeCluster, "projects/") {
		if cluster.Made() && cluster.Properties().Text("workloadIdentityConfig.workloadPool") == pool {
			return nil
		}
	}
	return gcp.BadRequest("Identity Pool does not exist (%s). Please check that you specified a valid resource name as "+
		"returned in the `name` attribute in the configuration API.", pool)
}

func checkAccountMember(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p, Found: CheckMember(p)}
	c.Match("serviceAccountId", accountLink, "be projects/<project>/serviceAccounts/<email>")
	return c.Found
}

func admitAccountMember(t *gcp.Change) error {
	name, _, _ := strings.Cut(t.New.Name, "/iam/")
	if !t.AccountExists(gcp.LastSegment(name)) {
		return gcp.NotFound(name)
	}
	return AdmitMember(t)
}
