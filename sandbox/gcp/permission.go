package gcp

import (
	"context"
	"fmt"
	"slices"
	"strings"
)

// Need is a permission that a call needs on a resource.
type Need struct {
	Permission, Resource string
	Role                 string // that a change of a policy grants or revokes
}

// Scope returns the resource on which a call needs a permission.
type Scope func(call Call) string

// OnObject returns the name of the object or, for a binding, of the resource that has the policy.
func OnObject(call Call) string {
	name, _, _ := strings.Cut(call.Name, "/iam/")
	return name
}

// OnProject returns the project of the object.
func OnProject(call Call) string { return "projects/" + Segment(call.Name, "projects") }

// Grant is a permission, and the resource on which it is needed.
type Grant struct {
	Permission string
	On         Scope
}

// Verbs maps the verbs of a kind to the permissions that they need. Compute Engine: section "IAM
// Permissions" of each method's page. GKE: "Google Kubernetes Engine API permissions". The
// others: "IAM permissions reference". The methods of a call are taken from the source of the
// Terraform provider that Pulumi's is built from. A comment names the file where a call needs
// more than the method's own permission: it waits for operations, and reads at the end of a
// creation and an update.
type Verbs map[Verb][]Grant

// ActAs is the permission to run something as a service account ("Service account permissions",
// IAM).
const ActAs = "iam.serviceAccounts.actAs"

// On returns permissions on one resource.
func On(s Scope, names ...string) []Grant {
	var grants []Grant
	for _, name := range names {
		grants = append(grants, Grant{name, s})
	}
	return grants
}

// CRUD returns the permissions of an API that has one for each verb.
func CRUD(prefix string) Verbs {
	return Verbs{
		VerbCreate: On(OnProject, prefix+".create"), VerbGet: On(OnObject, prefix+".get"),
		VerbUpdate: On(OnObject, prefix+".update"), VerbDelete: On(OnObject, prefix+".delete"),
	}
}

// Binding returns the permissions for a member of a policy: the policy is read, changed and
// written as a whole.
func Binding(prefix string, s Scope) Verbs {
	write := On(s, prefix+".getIamPolicy", prefix+".setIamPolicy")
	return Verbs{VerbCreate: write, VerbGet: On(s, prefix+".getIamPolicy"), VerbUpdate: write, VerbDelete: write}
}

// Needs lists what a call needs, in the order in which it is asked for.
func (c *Cloud) Needs(call Call) []Need {
	resource := c.resource(call.Kind)
	grants := resource.Permissions[call.Verb]
	if call.Verb == VerbCreate && c.revives(call.Name) {
		grants = resource.Permissions[VerbUndelete]
	}
	if call.Verb == VerbCreate || call.Verb == VerbUpdate {
		grants = append(slices.Clone(grants), resource.Permissions[VerbGet]...)
	}
	var all []Need
	for _, g := range grants {
		n := Need{Permission: g.Permission, Resource: g.On(call)}
		if strings.HasSuffix(g.Permission, ".setIamPolicy") {
			n.Role = call.Config.Text("role")
		}
		if !slices.Contains(all, n) {
			all = append(all, n)
		}
	}
	if resource.Needs != nil {
		return resource.Needs(call, all)
	}
	return all
}

type callerKey struct{}

// As returns a context for calls that an identity makes, see [Cloud.Token]. Without it,
// and with an empty identity, the caller is the project's owner, who may do everything.
func As(ctx context.Context, identity string) context.Context {
	return context.WithValue(ctx, callerKey{}, identity)
}

// Authorize refuses a call for which the caller lacks a permission.
func (c *Cloud) Authorize(ctx context.Context, call Call) error {
	for _, n := range c.Needs(call) {
		if err := c.permit(ctx, n); err != nil {
			return err
		}
	}
	return nil
}

// Permit refuses a caller who lacks a permission on a resource, which is given by
// its name. It is also GKE's answer for the objects of a cluster, whose permissions
// are container.<objects>.<verb> on the cluster.
func (c *Cloud) Permit(ctx context.Context, permission, resource string) error {
	return c.permit(ctx, Need{Permission: permission, Resource: resource})
}

func (c *Cloud) permit(ctx context.Context, n Need) error {
	identity, _ := ctx.Value(callerKey{}).(string)
	if identity == "" {
		return nil
	}
	v, done := c.View()
	defer done()
	if !v.identityExists(identity) {
		return &Error{Code: 404, Reason: "notFound", Message: fmt.Sprintf("Not found; Gaia id not found for email %s", identity)}
	}
	if v.Granted(identity, n) {
		return nil
	}
	return denied(n.Permission, n.Resource)
}

// Granted reports whether an identity has a permission on a resource.
func (v View) Granted(identity string, n Need) bool {
	if identity == Deployer(Segment(n.Resource, "projects")) {
		return true
	}
	return slices.ContainsFunc(v.cloud.apis, func(api API) bool { return api.Granted != nil && api.Granted(v, identity, n) })
}

// denied returns the refusal of a call in the words of the called API.
func denied(permission, resource string) error {
	api, _, _ := strings.Cut(permission, ".")
	e := &Error{Code: 403, Reason: "forbidden"}
	switch api {
	case "compute":
		e.Message = fmt.Sprintf("Required '%s' permission for '%s'", permission, resource)
	case "container":
		e.Message = fmt.Sprintf("Required %q permission(s) for %q.", permission, resource)
	case "secretmanager":
		e.Message = fmt.Sprintf("Permission '%s' denied for resource '%s' (or it may not exist).", permission, resource)
	case "resourcemanager":
		api = "cloudresourcemanager"
		fallthrough
	default:
		e.Message = fmt.Sprintf("Permission '%s' denied on resource '//%s.googleapis.com/%s' (or it may not exist).", permission, api, resource)
	}
	return e
}
