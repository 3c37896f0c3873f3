package iam

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"cel.dev/cel-go/cel"

	"example.com/grpc-edge/sandbox/gcp"
)

// A workload identity pool holds identities of other systems. Its providers name the
// issuers whose tokens they are read from ("Workload Identity Federation", IAM). A deleted one
// is kept for 30 days, during which its ID is taken
// ("projects.locations.workloadIdentityPools", IAM API: State).
var (
	identityPoolResource = &gcp.Resource{
		Kind: KindIdentityPool, Noun: "workload identity pool", Name: "projects/{project}/locations/global/workloadIdentityPools/{workloadIdentityPoolId}",
		Permissions: gcp.Verbs{ // each read asks for the attestation rules (iambeta/resource_iam_workload_identity_pool.go)
			gcp.VerbCreate: gcp.On(gcp.OnProject, "iam.workloadIdentityPools.create"),
			gcp.VerbGet:    gcp.On(gcp.OnObject, "iam.workloadIdentityPools.get", "iam.workloadIdentityPools.getAttestationRules"),
			gcp.VerbUpdate: gcp.On(gcp.OnObject, "iam.workloadIdentityPools.update"),
			gcp.VerbDelete: gcp.On(gcp.OnObject, "iam.workloadIdentityPools.delete"),
		},
		Check: checkIdentityPool, Admit: admitIdentityPool,
		Reserved: 30 * 24 * time.Hour,
	}
	identityProviderResource = &gcp.Resource{
		Kind: KindIdentityProvider, Noun: "workload identity pool provider", Name: "projects/{project}/locations/global/workloadIdentityPools/{workloadIdentityPoolId}/providers/{workloadIdentityPoolProviderId}",
		Permissions: gcp.CRUD("iam.workloadIdentityPoolProviders"),
		Check:       checkIdentityProvider, Admit: admitIdentityProvider,
		Reserved: 30 * 24 * time.Hour,
	}
)

// federationID matches both IDs; the prefix gcp- is reserved for Google (both resources in the
// IAM API).
var federationID = regexp.MustCompile(`^[a-z0-9-]{4,32}$`)

func checkFederationID(c *gcp.Checker, property string) {
	c.Match(property, federationID, "be 4-32 lowercase letters, digits and hyphens")
	if strings.HasPrefix(c.P.Text(property), "gcp-") {
		c.Wrong(property, "the prefix gcp- is reserved for use by Google")
	}
	c.Length("displayName", 32)
	c.Length("description", 256)
}

func checkIdentityPool(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p}
	checkFederationID(c, "workloadIdentityPoolId")
	if mode := p.Text("mode"); mode != "" && mode != "FEDERATION_ONLY" {
		c.Wrong("mode", "%q is not emulated: only FEDERATION_ONLY", mode)
	}
	return c.Found
}

func admitIdentityPool(t *gcp.Change) error {
	t.Complete(gcp.Properties{"name": numbered(t.New), "state": "ACTIVE"}, gcp.Properties{"mode": "FEDERATION_ONLY", "disabled": false})
	return nil
}

// numbered returns the name of an object with the number of its project, as IAM returns it.
func numbered(o *gcp.Object) string {
	return strings.Replace(o.Name, "projects/"+o.Project()+"/", "projects/"+gcp.ProjectNumber(o.Project())+"/", 1)
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

func checkIdentityProvider(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p}
	checkFederationID(c, "workloadIdentityPoolProviderId")
	for _, kind := range []string{"aws", "saml", "x509"} {
		if p.Has(kind) {
			c.Wrong(kind, "is not emulated: only oidc is")
		}
	}
	if uri := p.Text("oidc.issuerUri"); uri != "" && !strings.HasPrefix(uri, "https://") {
		c.Wrong("oidc.issuerUri", "%q must begin with https://", uri)
	}
	custom := 0
	for key, value := range p.Object("attributeMapping") {
		expression, _ := value.(string)
		at := fmt.Sprintf("attributeMapping[%q]", key)
		if !attributeKey.MatchString(key) {
			c.Wrong(at, "must be google.subject, google.groups or attribute. and 1-100 lowercase letters, digits and _")
		}
		if strings.HasPrefix(key, "attribute.") {
			custom++
		}
		checkExpression(c, at, expression, longestMapping, nil)
	}
	if custom > mostAttributes {
		c.Wrong("attributeMapping", "%d custom attributes are more than %d", custom, mostAttributes)
	}
	if condition := p.Text("attributeCondition"); condition != "" {
		checkExpression(c, "attributeCondition", condition, longestCondition, cel.BoolType)
	}
	return c.Found
}

// checkExpression checks that text is a CEL expression over the claims of a token. If a type is
// given, the expression must have it.
func checkExpression(c *gcp.Checker, property, text string, most int, want *cel.Type) {
	if len(text) > most {
		c.Wrong(property, "%d characters are more than %d", len(text), most)
	}
	ast, issues := claims().Compile(text)
	switch {
	case issues.Err() != nil:
		c.Wrong(property, "%q is not an expression over the claims of a token: %v", text, issues.Err())
	case want != nil && !ast.OutputType().IsAssignableType(want):
		c.Wrong(property, "%q must be a %s, not a %s", text, want, ast.OutputType())
	}
}

// multiTenant lists issuers that issue tokens for everybody, so that a condition must restrict
// them ("Configure Workload Identity Federation with deployment pipelines", IAM).
var multiTenant = []string{"https://token.actions.githubusercontent.com", "https://gitlab.com", "https://app.terraform.io"}

func admitIdentityProvider(t *gcp.Change) error {
	p := t.New.Config
	pool, _, _ := strings.Cut(t.New.Name, "/providers/")
	if _, err := t.ExistingOf(KindIdentityPool, pool); err != nil {
		return err
	}
	switch {
	case p.Text("oidc.issuerUri") == "":
		return gcp.BadRequest("An OIDC provider needs oidc.issuerUri.")
	case p.Object("attributeMapping")["google.subject"] == nil:
		return gcp.BadRequest("The attribute mapping must contain google.subject.")
	case slices.Contains(multiTenant, p.Text("oidc.issuerUri")) && !strings.Contains(p.Text("attributeCondition"), "assertion."):
		return gcp.BadRequest("The attribute condition must reference one of the provider's claims.")
	}
	t.Complete(gcp.Properties{"name": numbered(t.New), "state": "ACTIVE"}, gcp.Properties{"disabled": false})
	return nil
}

// federated matches the principals of a pool ("Principal identifiers", IAM): one subject, all
// with a group or an attribute, or all.
var federated = regexp.MustCompile(`^(?:principal://iam\.googleapis\.com/(projects/[0-9]+/locations/global/workloadIdentityPools/[a-z0-9-]{4,32})/subject/.+|` +
	`principalSet://iam\.googleapis\.com/(projects/[0-9]+/locations/global/workloadIdentityPools/[a-z0-9-]{4,32})/(?:group/.+|attribute\.[a-z0-9_]{1,100}/.+|\*))$`)

// checkFederatedPool checks that the pool of a principal exists.
func checkFederatedPool(t *gcp.Change, member string) error {
	m := federated.FindStringSubmatch(member)
	if m == nil {
		return nil
	}
	name := m[1] + m[2]
	for _, pool := range t.All(KindIdentityPool, "projects/") {
		if pool.Made() && pool.Status.Text("name") == name {
			return nil
		}
	}
	return gcp.BadRequest("Identity Pool does not exist (%s). Please check that you specified a valid resource name as "+
		"returned in the `name` attribute in the configuration API.", name)
}
