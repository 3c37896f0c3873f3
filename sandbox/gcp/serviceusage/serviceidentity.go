package serviceusage

import (
	"fmt"

	"example.com/grpc-edge/sandbox/gcp"
)

// serviceIdentityResource creates the agent of a service ("services.generateServiceIdentity",
// Service Usage API). Nothing removes it again.
var serviceIdentityResource = &gcp.Resource{
	Kind: KindServiceIdentity, Noun: "service identity", Name: "projects/{project}/serviceIdentities/{service}",
	// The client asks for the agent, and reads nothing later ("Create and grant roles to
	// service agents": a Service Usage Admin may).
	Permissions: gcp.Verbs{
		gcp.VerbCreate: gcp.On(gcp.OnProject, "serviceusage.services.enable", "serviceusage.operations.get"),
		gcp.VerbGet:    {}, gcp.VerbUpdate: {}, gcp.VerbDelete: {},
	},
	Idempotent: true, Check: checkService, Admit: admitServiceIdentity,
}

func admitServiceIdentity(t *gcp.Change) error {
	service := t.New.Config.Text("service")
	domain, ok := gcp.Agents[service]
	if !ok {
		return gcp.BadRequest("The service agent of %s is not emulated.", service)
	}
	if err := t.RequireAPI(service, t.New.Project()); err != nil {
		return err
	}
	email := fmt.Sprintf("service-%s@%s.iam.gserviceaccount.com", gcp.ProjectNumber(t.New.Project()), domain)
	t.Complete(gcp.Properties{"email": email, "member": "serviceAccount:" + email}, nil)
	return nil
}
