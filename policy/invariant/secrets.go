package invariant

import (
	"regexp"
	"slices"
)

// secretRules returns the rules about what Pulumi keeps in its state.
func secretRules() []Rule {
	const source = `Pulumi, "Secrets"`
	return []Rule{
		{
			Name: "secret-marked", Source: source,
			What:     "Keys, passwords, kubeconfigs and the data of Secrets are Pulumi secrets.",
			Why:      "Pulumi writes anything else to the state, and shows it in previews, in plain text.",
			resource: marked,
		},
		{
			Name: "private-key-hidden", Source: source,
			What:     "No property of any resource holds a private key in plain text.",
			Why:      "Otherwise it is in the state, in every preview, and in every system that keeps their logs.",
			resource: func(r Resource) []finding { return hidden(all(r)) },
		},
	}
}

// sensitive lists properties that hold secrets in any resource.
var sensitive = []string{"privateKeyPem", "caPrivateKeyPem", "password", "kubeconfig"}

func marked(r Resource) []finding {
	const may = "must be a Pulumi secret"
	var found []finding
	for key := range r.Properties.AllStable {
		inSecret := r.Type == "kubernetes:core/v1:Secret" && (key == "data" || key == "stringData")
		if v := all(r).key(key); (inSecret || slices.Contains(sensitive, key)) && plain(v) {
			found = append(found, finding{property: v.path, problem: "is in the clear, " + may})
		}
	}
	return found
}

// plain reports whether a value is known and not secret.
func plain(v value) bool {
	switch {
	case v.Secret(), v.IsComputed(), v.IsNull():
		return false
	case v.IsMap():
		for key := range v.AsMap().All {
			if plain(v.key(key)) {
				return true
			}
		}
		return false
	}
	return !v.is("")
}

var privateKey = regexp.MustCompile(`-----BEGIN ([A-Z]+ )*PRIVATE KEY-----`)

// hidden reports private keys that are not secret, at any depth.
func hidden(v value) []finding {
	switch {
	case v.Secret():
		return nil
	case v.IsMap():
		var found []finding
		for key := range v.AsMap().AllStable {
			found = append(found, hidden(v.key(key))...)
		}
		return found
	case v.IsArray():
		return each(v.items(), hidden)
	case privateKey.MatchString(v.text()):
		return []finding{{property: v.path, problem: "holds a private key in the clear, must be a Pulumi secret"}}
	}
	return nil
}
