package gcp

import "fmt"

// serviceIdentityRule creates the agent of a service ("services.generateServiceIdentity",
// Service Usage API). Nothing removes it again.
var serviceIdentityRule = &rule{
	kind: KindServiceIdentity, name: "projects/{project}/serviceIdentities/{service}",
	// The client asks for the agent, and reads nothing later ("Create and grant roles to
	// service agents": a Service Usage Admin may).
	permissions: verbs{
		VerbCreate: on(onProject, "serviceusage.services.enable", "serviceusage.operations.get"),
		VerbGet:    {}, VerbUpdate: {}, VerbDelete: {},
	},
	noun: "service identity", idempotent: true, check: checkService, admit: admitServiceIdentity,
}

func admitServiceIdentity(t *change) error {
	service := t.new.Config.str("service")
	domain, ok := agents[service]
	if !ok {
		return badRequest("The service agent of %s is not emulated.", service)
	}
	if err := t.requireAPI(service, t.new.project()); err != nil {
		return err
	}
	email := fmt.Sprintf("service-%s@%s.iam.gserviceaccount.com", ProjectNumber(t.new.project()), domain)
	t.complete(Properties{"email": email, "member": "serviceAccount:" + email}, nil)
	return nil
}
