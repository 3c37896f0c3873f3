package gcp

import "regexp"

var accountRule = &rule{
	kind: KindServiceAccount, name: "projects/{project}/serviceAccounts/{email}",
	permissions: crud("iam.serviceAccounts"),
	noun:        "service account", quota: quota{metric: "SERVICE_ACCOUNTS", limit: 100}, // "Quotas and limits", IAM
	check: checkAccount, admit: admitAccount, deleted: forgetMember,
}

// accountID matches a service account's ID ("Create service accounts", IAM).
var accountID = regexp.MustCompile(`^[a-z](?:[-a-z0-9]{4,28}[a-z0-9])$`)

func checkAccount(p Properties) []Violation {
	c := &checker{p: p}
	c.match("accountId", accountID, "be 6-30 characters: a lowercase letter, then lowercase letters, digits and hyphens, not a hyphen at the end")
	if n := len(p.str("displayName")); n > 100 {
		c.wrong("displayName", "%d characters are more than 100", n)
	}
	if n := len(p.str("description")); n > 256 {
		c.wrong("description", "%d characters are more than 256", n)
	}
	return c.found
}

func admitAccount(t *change) error {
	email := t.new.last()
	if email == Deployer(t.new.project()) {
		return &Error{Code: 409, Reason: "alreadyExists", Message: "Service account " + email + " already exists within project projects/" + t.new.project() + "."}
	}
	if !t.new.Status.has("uniqueId") {
		t.new.Status["uniqueId"] = digits(21)
	}
	t.complete(Properties{"email": email, "name": t.new.Name, "member": "serviceAccount:" + email},
		Properties{"disabled": false})
	return nil
}

// forgetMember removes the bindings of a deleted account: they refer to that
// very account, not to a later one of the same name ("Deleted principals", IAM).
func forgetMember(t *change) {
	for _, o := range t.all("", "") {
		if o.Config.str("member") == "serviceAccount:"+t.old.last() {
			t.remove(o)
		}
	}
}
