package iam

import (
	"slices"
	"strings"
	"sync"

	"cel.dev/cel-go/cel"
	"cel.dev/cel-go/common/ast"
	"cel.dev/cel-go/common/types"
	celref "cel.dev/cel-go/common/types/ref"
	"cel.dev/cel-go/common/types/traits"

	"example.com/grpc-edge/sandbox/gcp"
)

// claims returns the environment of an identity provider's expressions ("Configure Workload
// Identity Federation with deployment pipelines", IAM).
var claims = sync.OnceValue(func() *cel.Env {
	return environment(cel.Variable("assertion", cel.MapType(cel.StringType, cel.DynType)))
})

// modifiedGrants is the attribute of a call that changes a policy: the roles that it
// grants or revokes ("Set limits on granting roles", IAM).
const modifiedGrants = "iam.googleapis.com/modifiedGrantsByRole"

// knowsGrants lists the emulated services that recognise modifiedGrants. A change of a policy
// in another, such as Artifact Registry, fails with a condition on it, even one that has a
// default ("Attribute reference for IAM Conditions").
var knowsGrants = []string{"cloudkms", "compute", "containeranalysis", "iam", "privateca", "resourcemanager", "secretmanager", "storage"}

var texts = cel.ListType(cel.StringType)

// conditions returns the environment of IAM Conditions ("Attribute reference for IAM
// Conditions"). It has only what is emulated: the resource's name and service, and attributes of
// the API.
var conditions = sync.OnceValue(func() *cel.Env {
	attributes := cel.MapType(cel.StringType, texts)
	return environment(
		cel.Variable("resource", cel.MapType(cel.StringType, cel.StringType)),
		cel.Variable("api", attributes),
		cel.Function("getAttribute", cel.MemberOverload("api_get_attribute",
			[]*cel.Type{attributes, cel.StringType, texts}, texts, cel.FunctionBinding(getAttribute))),
		cel.Function("hasOnly", cel.MemberOverload("list_has_only",
			[]*cel.Type{texts, texts}, cel.BoolType, cel.BinaryBinding(hasOnly))),
	)
})

func environment(options ...cel.EnvOption) *cel.Env {
	env, err := cel.NewEnv(options...)
	if err != nil {
		panic("the variables of expressions are fixed: " + err.Error())
	}
	return env
}

// getAttribute returns an attribute of the API, or the default where a call has none.
func getAttribute(args ...celref.Val) celref.Val {
	if value, found := args[0].(traits.Mapper).Find(args[1]); found {
		return value
	}
	return args[2]
}

func hasOnly(list, allowed celref.Val) celref.Val {
	for it := list.(traits.Lister).Iterator(); it.HasNext() == types.True; {
		if allowed.(traits.Container).Contains(it.Next()) != types.True {
			return types.False
		}
	}
	return types.True
}

// checkCondition checks that IAM accepts a binding's condition ("Overview of IAM Conditions";
// "Policy", Expr, IAM API).
func checkCondition(c *gcp.Checker) {
	if !c.P.Has("condition") {
		return
	}
	expression := c.P.Text("condition.expression")
	if n := len(c.P.Text("condition.title")); n == 0 || n > 100 {
		c.Wrong("condition.title", "must have 1-100 characters")
	}
	if n := len(c.P.Text("condition.description")); n > 256 {
		c.Wrong("condition.description", "%d characters are more than 256", n)
	}
	compiled, issues := conditions().Compile(expression)
	switch {
	case issues.Err() != nil:
		c.Wrong("condition.expression", "%q is not a condition: %v", expression, issues.Err())
	case !compiled.OutputType().IsExactType(cel.BoolType):
		c.Wrong("condition.expression", "%q must be true or false", expression)
	case longestList(compiled) > mostRoles:
		c.Wrong("condition.expression", "hasOnly takes at most %d values", mostRoles)
	}
	if slices.Contains([]string{"roles/owner", "roles/editor", "roles/viewer"}, c.P.Text("role")) {
		c.Wrong("condition", "a basic role cannot be granted with a condition")
	}
}

// mostRoles limits the roles that hasOnly takes ("Set limits on granting roles").
const mostRoles = 10

// longestList returns the length of the longest list that an expression gives to hasOnly.
func longestList(compiled *cel.Ast) int {
	longest := 0
	for _, call := range ast.MatchDescendants(ast.NavigateAST(compiled.NativeRep()), ast.FunctionMatcher("hasOnly")) {
		longest = max(longest, call.AsCall().Args()[0].AsList().Size())
	}
	return longest
}

// namedResources lists the emulated services whose resources have attributes in conditions
// ("Resource attributes for IAM Conditions").
var namedResources = []string{"binaryauthorization", "cloudkms", "resourcemanager", "compute", "container", "storage", "secretmanager"}

// meets reports whether a need meets the condition of a binding. A condition that cannot be
// evaluated is not met.
func meets(n gcp.Need, condition gcp.Properties) bool {
	if condition == nil {
		return true
	}
	compiled, issues := conditions().Compile(condition.Text("expression"))
	if issues.Err() != nil {
		return false
	}
	program, err := conditions().Program(compiled)
	if err != nil {
		return false
	}
	service, _, _ := strings.Cut(n.Permission, ".")
	resource := map[string]string{"name": "", "service": ""}
	if slices.Contains(namedResources, service) {
		resource["name"], resource["service"] = conditionName(service, n.Resource), apiOf(service)
	}
	attributes := map[string]any{"resource": resource}
	if n.Role == "" {
		attributes["api"] = map[string][]string{}
	} else if slices.Contains(knowsGrants, service) {
		attributes["api"] = map[string][]string{modifiedGrants: {n.Role}}
	}
	result, _, err := program.Eval(attributes)
	return err == nil && result == types.True
}

// conditionName returns the name of a resource in conditions. A bucket's name has no project
// there (Cloud Storage, "IAM Conditions").
func conditionName(service, name string) string {
	if _, bucket, found := strings.Cut(name, "/buckets/"); service == "storage" && found {
		return "projects/_/buckets/" + bucket
	}
	return name
}

// apiOf returns the service whose permissions begin with this word.
func apiOf(word string) string {
	if word == "resourcemanager" {
		word = "cloudresourcemanager"
	}
	return word + ".googleapis.com"
}
