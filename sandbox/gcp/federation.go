package gcp

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/google/cel-go/cel"
)

// A workload identity pool holds identities of other systems, and its providers say
// whose tokens they are read from ("Workload Identity Federation", IAM). A deleted one
// is kept for 30 days, in which its ID is taken
// ("projects.locations.workloadIdentityPools", IAM API: State).
var (
	identityPoolRule = &rule{
		kind: KindIdentityPool, name: "projects/{project}/locations/global/workloadIdentityPools/{workloadIdentityPoolId}",
		permissions: verbs{ // each read asks for the attestation rules (iambeta/resource_iam_workload_identity_pool.go)
			VerbCreate: on(onProject, "iam.workloadIdentityPools.create"),
			VerbGet:    on(onObject, "iam.workloadIdentityPools.get", "iam.workloadIdentityPools.getAttestationRules"),
			VerbUpdate: on(onObject, "iam.workloadIdentityPools.update"),
			VerbDelete: on(onObject, "iam.workloadIdentityPools.delete"),
		},
		noun: "workload identity pool", check: checkIdentityPool, admit: admitIdentityPool,
		reserved: 30 * 24 * time.Hour,
	}
	identityProviderRule = &rule{
		kind: KindIdentityProvider, name: "projects/{project}/locations/global/workloadIdentityPools/{workloadIdentityPoolId}/providers/{workloadIdentityPoolProviderId}",
		permissions: crud("iam.workloadIdentityPoolProviders"),
		noun:        "workload identity pool provider", check: checkIdentityProvider, admit: admitIdentityProvider,
		reserved: 30 * 24 * time.Hour,
	}
)

// federationID matches both IDs; the prefix gcp- is reserved for Google (both resources in the
// IAM API).
var federationID = regexp.MustCompile(`^[a-z0-9-]{4,32}$`)

func (c *checker) federationID(property string) {
	c.match(property, federationID, "be 4-32 lowercase letters, digits and hyphens")
	if strings.HasPrefix(c.p.str(property), "gcp-") {
		c.wrong(property, "the prefix gcp- is reserved for use by Google")
	}
	c.length("displayName", 32)
	c.length("description", 256)
}

func checkIdentityPool(p Properties) []Violation {
	c := &checker{p: p}
	c.federationID("workloadIdentityPoolId")
	if mode := p.str("mode"); mode != "" && mode != "FEDERATION_ONLY" {
		c.wrong("mode", "%q is not emulated: only FEDERATION_ONLY", mode)
	}
	return c.found
}

func admitIdentityPool(t *change) error {
	t.complete(Properties{"name": numbered(t.new), "state": "ACTIVE"}, Properties{"mode": "FEDERATION_ONLY", "disabled": false})
	return nil
}

// numbered returns the name of an object with the number of its project, as IAM returns it.
func numbered(o *Object) string {
	return strings.Replace(o.Name, "projects/"+o.project()+"/", "projects/"+ProjectNumber(o.project())+"/", 1)
}

// Limits of a provider ("projects.locations.workloadIdentityPools.providers", IAM API).
const (
	mostAttributes   = 50
	longestMapping   = 2048
	longestCondition = 4096
)

// attributeKey matches the attributes that a claim may be mapped to (the same page,
// attributeMapping).
var attributeKey = regexp.MustCompile(`^(google\.(subject|groups)|attribute\.[a-z0-9_]{1,100})$`)

func checkIdentityProvider(p Properties) []Violation {
	c := &checker{p: p}
	c.federationID("workloadIdentityPoolProviderId")
	for _, kind := range []string{"aws", "saml", "x509"} {
		if p.has(kind) {
			c.wrong(kind, "is not emulated: only oidc is")
		}
	}
	if uri := p.str("oidc.issuerUri"); uri != "" && !strings.HasPrefix(uri, "https://") {
		c.wrong("oidc.issuerUri", "%q must begin with https://", uri)
	}
	custom := 0
	for key, value := range p.object("attributeMapping") {
		expression, _ := value.(string)
		at := fmt.Sprintf("attributeMapping[%q]", key)
		if !attributeKey.MatchString(key) {
			c.wrong(at, "must be google.subject, google.groups or attribute. and 1-100 lowercase letters, digits and _")
		}
		if strings.HasPrefix(key, "attribute.") {
			custom++
		}
		c.expression(at, expression, longestMapping, nil)
	}
	if custom > mostAttributes {
		c.wrong("attributeMapping", "%d custom attributes are more than %d", custom, mostAttributes)
	}
	if condition := p.str("attributeCondition"); condition != "" {
		c.expression("attributeCondition", condition, longestCondition, cel.BoolType)
	}
	return c.found
}

// expression checks that text is CEL over the claims of a token; of a type, if one is given.
func (c *checker) expression(property, text string, most int, want *cel.Type) {
	if len(text) > most {
		c.wrong(property, "%d characters are more than %d", len(text), most)
	}
	ast, issues := claims().Compile(text)
	switch {
	case issues.Err() != nil:
		c.wrong(property, "%q is no expression over the claims of a token: %v", text, issues.Err())
	case want != nil && !ast.OutputType().IsAssignableType(want):
		c.wrong(property, "%q must be a %s, not a %s", text, want, ast.OutputType())
	}
}

// multiTenant lists issuers that issue tokens for everybody, so that a condition must restrict
// them ("Configure Workload Identity Federation with deployment pipelines", IAM).
var multiTenant = []string{"https://token.actions.githubusercontent.com", "https://gitlab.com", "https://app.terraform.io"}

func admitIdentityProvider(t *change) error {
	p := t.new.Config
	pool, _, _ := strings.Cut(t.new.Name, "/providers/")
	if _, err := t.existingOf(KindIdentityPool, pool); err != nil {
		return err
	}
	switch {
	case p.str("oidc.issuerUri") == "":
		return badRequest("An OIDC provider needs oidc.issuerUri.")
	case p.object("attributeMapping")["google.subject"] == nil:
		return badRequest("The attribute mapping must contain google.subject.")
	case slices.Contains(multiTenant, p.str("oidc.issuerUri")) && !strings.Contains(p.str("attributeCondition"), "assertion."):
		return badRequest("The attribute condition must reference one of the provider's claims.")
	}
	t.complete(Properties{"name": numbered(t.new), "state": "ACTIVE"}, Properties{"disabled": false})
	return nil
}

// federated matches the principals of a pool ("Principal identifiers", IAM): one subject, all
// with a group or an attribute, or all.
var federated = regexp.MustCompile(`^(?:principal://iam\.googleapis\.com/(projects/[0-9]+/locations/global/workloadIdentityPools/[a-z0-9-]{4,32})/subject/.+|` +
	`principalSet://iam\.googleapis\.com/(projects/[0-9]+/locations/global/workloadIdentityPools/[a-z0-9-]{4,32})/(?:group/.+|attribute\.[a-z0-9_]{1,100}/.+|\*))$`)

// federatedPool checks that the pool of a principal exists.
func (t *change) federatedPool(member string) error {
	m := federated.FindStringSubmatch(member)
	if m == nil {
		return nil
	}
	name := m[1] + m[2]
	for _, pool := range t.all(KindIdentityPool, "projects/") {
		if pool.made() && pool.Status.str("name") == name {
			return nil
		}
	}
	return badRequest("Identity Pool does not exist (%s). Please check that you specified a valid resource name as "+
		"returned in the `name` attribute in the configuration API.", name)
}
