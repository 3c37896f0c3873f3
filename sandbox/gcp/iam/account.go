package iam

import (
	"regexp"

	"example.com/grpc-edge/sandbox/gcp"
)

var accountResource = &gcp.Resource{
	Kind: KindServiceAccount, Noun: "service account", Name: "projects/{project}/serviceAccounts/{email}",
	Permissions: gcp.CRUD("iam.serviceAccounts"),
	Quota:       gcp.Quota{Metric: "SERVICE_ACCOUNTS", Limit: 100}, // "Quotas and limits", IAM
	Check:       checkAccount, Admit: admitAccount, Deleted: forgetMember,
}

// accountID matches a service account's ID ("Create service accounts", IAM).
var accountID = regexp.MustCompile(`^[a-z](?:[-a-z0-9]{4,28}[a-z0-9])$`)

func checkAccount(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p}
	c.Match("accountId", accountID, "be 6-30 characters: a lowercase letter, then lowercase letters, digits and hyphens, not a hyphen at the end")
	if n := len(p.Text("displayName")); n > 100 {
		c.Wrong("displayName", "%d characters are more than 100", n)
	}
	if n := len(p.Text("description")); n > 256 {
		c.Wrong("description", "%d characters are more than 256", n)
	}
	return c.Found
}

func admitAccount(t *gcp.Change) error {
	email := t.New.ID()
	if email == gcp.Deployer(t.New.Project()) {
		return &gcp.Error{Code: 409, Reason: "alreadyExists", Message: "Service account " + email + " already exists within project projects/" + t.New.Project() + "."}
	}
	if !t.New.Status.Has("uniqueId") {
		t.New.Status["uniqueId"] = gcp.RandomDigits(21)
	}
	t.Complete(gcp.Properties{"email": email, "name": t.New.Name, "member": "serviceAccount:" + email},
		gcp.Properties{"disabled": false})
	return nil
}

// forgetMember removes the bindings of a deleted account: they refer to that
// very account, not to a later one of the same name ("Deleted principals", IAM).
func forgetMember(t *gcp.Change) {
	for _, o := range t.All("", "") {
		if o.Config.Text("member") == "serviceAccount:"+t.Old.ID() {
			t.Remove(o)
		}
	}
}
