package invariant

import (
	"regexp"
	"slices"
	"strings"
)

// grant matches the types of resources that grant permissions on anything.
var grant = regexp.MustCompile(`^gcp:.*:\w*(IAM|Iam)(Member|Binding|Policy)$`)

// identityRules returns the rules about IAM.
func identityRules() []Rule {
	return []Rule{
		{
			Name:     "no-basic-roles",
			What:     "No member has a basic role.",
			Why:      "Owner, Editor and Viewer hold thousands of permissions, over everything in the project.",
			Source:   `IAM, "Use IAM securely"`,
			resource: grants(func(g value) []finding { return g.at("role").mustNot("roles/owner", "roles/editor", "roles/viewer") }),
		},
		{
			Name:     "no-public-grants",
			What:     "Nothing is open to allUsers or allAuthenticatedUsers, repositories included.",
			Why:      "The first is the internet, the second everyone with a Google account.",
			Source:   `IAM, "Principal identifiers"`,
			resource: grants(public),
		},
		{
			Name:   "no-authoritative-grants",
			What:   "Rights on a project, folder or organization are added, one member at a time.",
			Why:    "An authoritative binding or policy removes the role from everyone it does not name: Google's service agents, and you.",
			Source: `Terraform provider for Google Cloud, "IAM policy for projects"`,
			resource: func(r Resource) []finding {
				if !authoritative.MatchString(r.Type) {
					return nil
				}
				return []finding{{property: "type", problem: "is authoritative, must be an IAMMember"}}
			},
		},
		{
			Name:   "no-account-keys",
			What:   "Service accounts have no keys that are files.",
			Why:    "A key works for anyone who copies it, from anywhere, until somebody notices.",
			Source: `IAM, "Best practices for managing service account keys"`,
			resource: func(r Resource) []finding {
				if r.Type != "gcp:serviceaccount/key:Key" {
					return nil
				}
				return []finding{{property: "type", problem: "is a key, must be Workload Identity Federation or impersonation"}}
			},
		},
		{
			Name:   "federation-conditional",
			What:   "An identity provider has a condition on the claims of the tokens that it accepts.",
			Why:    "GitHub signs tokens for all its users. Without a condition, a mistake in one grant is open to all of them.",
			Source: `IAM, "Configure Workload Identity Federation with deployment pipelines"`,
			resource: on(func(p value) []finding {
				return p.at("attributeCondition").mustMatch(onClaims, "a condition on claims, such as assertion.repository == 'OWNER/NAME'")
			}, "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider"),
		},
		{
			Name:     "federation-narrow",
			What:     "Nothing is granted to all identities of a workload identity pool.",
			Why:      "Otherwise every identity that its providers accept, now or later, has the permission: each workflow of every branch.",
			Source:   `IAM, "Best practices for using Workload Identity Federation"`,
			resource: grants(wholePool),
		},
	}
}

var (
	onClaims  = regexp.MustCompile(`\bassertion\.`)
	everyName = regexp.MustCompile(`^principalSet://iam\.googleapis\.com/.*/workloadIdentityPools/[^/]+/\*$`)
)

func wholePool(g value) []finding {
	return each(append(g.at("members").items(), g.at("member")), func(member value) []finding {
		if !everyName.MatchString(member.text()) {
			return nil
		}
		return member.wrong("must be a subject, a group or an attribute of the pool")
	})
}

var authoritative = regexp.MustCompile(`^gcp:(projects|folder|organizations)/iAM(Policy|Binding):`)

func grants(check func(value) []finding) func(Resource) []finding {
	return func(r Resource) []finding {
		if !grant.MatchString(r.Type) {
			return nil
		}
		return check(all(r))
	}
}

var everyone = []string{"allUsers", "allAuthenticatedUsers"}

func public(g value) []finding {
	const may = "must be a user, group or service account"
	isPublic := func(v value) bool { return slices.Contains(everyone, v.text()) }
	var found []finding
	for _, member := range append(g.at("members").items(), g.at("member")) {
		if isPublic(member) {
			found = append(found, member.wrong(may)...)
		}
	}
	for _, name := range everyone { // a whole policy is JSON in one property
		if strings.Contains(g.at("policyData").text(), `"`+name+`"`) {
			found = append(found, finding{property: "policyData", problem: "names " + name + ", " + may})
		}
	}
	return found
}
