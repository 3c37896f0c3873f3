package cloudbuild

import (
	"cmp"
	"regexp"
	"slices"
	"strings"

	"example.com/grpc-edge/sandbox/gcp"
)

// triggerResource describes triggers, which start builds at events of a repository
// ("projects.locations.triggers", Cloud Build API). A person who proves to be its owner
// connects it, so it exists without being created. A trigger without an event is run by hand
// ("Create manual triggers"). No build runs.
var triggerResource = &gcp.Resource{
	Kind: KindTrigger, Noun: "trigger", Name: "projects/{project}/locations/{location:global}/triggers/{uuid}",
	Permissions: gcp.Verbs{ // each method's page, Cloud Build API: one permission covers builds and changes to triggers
		gcp.VerbCreate: append(gcp.On(gcp.OnProject, "cloudbuild.builds.create"), gcp.Grant{Permission: gcp.ActAs, On: onTriggered}),
		gcp.VerbGet:    gcp.On(gcp.OnProject, "cloudbuild.builds.get"),
		gcp.VerbUpdate: append(gcp.On(gcp.OnProject, "cloudbuild.builds.create"), gcp.Grant{Permission: gcp.ActAs, On: onTriggered}),
		gcp.VerbDelete: gcp.On(gcp.OnProject, "cloudbuild.builds.create"),
	},
	Check: checkTrigger, Admit: admitTrigger,
}

func onTriggered(call gcp.Call) string {
	return gcp.OnProject(call) + "/serviceAccounts/" + gcp.LastSegment(call.Config.Text("serviceAccount"))
}

var (
	triggerName        = regexp.MustCompile(`^[A-Za-z0-9](?:[-A-Za-z0-9]{0,62}[A-Za-z0-9])?$`)
	triggerAccount     = regexp.MustCompile(`^projects/[^/]+/serviceAccounts/[^/]+$`)
	triggerVariable    = regexp.MustCompile(`^_[A-Z0-9_]+$`) // "Substituting variable values"
	connectedLocation  = regexp.MustCompile(`^projects/[^/]+/locations/([^/]+)/connections/[^/]+/repositories/[^/]+$`)
	triggerUnsupported = strings.Fields("bitbucketServerTriggerConfig developerConnectEventConfig github pubsubConfig triggerTemplate webhookConfig build")
)

func checkTrigger(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p}
	c.Match("name", triggerName, "be 1-64 letters, digits and hyphens, not a hyphen at either end")
	c.Match("serviceAccount", triggerAccount, "be projects/<project>/serviceAccounts/<email>")
	for _, at := range []string{"repositoryEventConfig.repository", "sourceToBuild.repository", "gitFileSource.repository"} {
		c.Match(at, connectedLocation, "be the resource name of a repository of a connection")
	}
	c.Match("sourceToBuild.ref", regexp.MustCompile(`^refs/`), "begin with refs/, as refs/heads/main does")
	c.OneOf("repositoryEventConfig.pullRequest.commentControl",
		"COMMENTS_DISABLED", "COMMENTS_ENABLED", "COMMENTS_ENABLED_FOR_EXTERNAL_CONTRIBUTORS_ONLY")
	for _, key := range triggerUnsupported {
		if p.Has(key) {
			c.Wrong(key, "is not emulated: only repositoryEventConfig with a filename, and sourceToBuild with a gitFileSource are")
		}
	}
	for _, at := range []string{"repositoryEventConfig.pullRequest.branch", "repositoryEventConfig.push.branch", "repositoryEventConfig.push.tag"} {
		if _, err := regexp.Compile(p.Text(at)); err != nil { // in RE2 syntax, as in Cloud Build
			c.Wrong(at, "%q is not a regular expression: %v", p.Text(at), err)
		}
	}
	for key := range p.Object("substitutions") {
		if !triggerVariable.MatchString(key) {
			c.Wrong("substitutions", "%q must begin with _ and hold uppercase letters, digits and _ only", key)
		}
	}
	return c.Found
}

func admitTrigger(t *gcp.Change) error {
	p := t.New.Config
	event, source := p.Object("repositoryEventConfig"), p.Object("sourceToBuild")
	switch {
	case (event == nil) == (source == nil):
		return gcp.BadRequest("A trigger needs either repositoryEventConfig, or sourceToBuild to be run by hand.")
	case event != nil && (event.Has("pullRequest") == event.Has("push") || p.Text("filename") == ""):
		return gcp.BadRequest("A trigger of a repository's events needs either pullRequest or push, and a filename.")
	case source != nil && (p.Has("filename") || p.Text("gitFileSource.path") == ""):
		return gcp.BadRequest("A trigger that is run by hand needs a gitFileSource with a path, in place of a filename.")
	}
	location, repository := t.New.Status.Text("location"), cmp.Or(event.Text("repository"), source.Text("repository"))
	if parts := connectedLocation.FindStringSubmatch(repository); parts == nil || parts[1] != location {
		return gcp.BadRequest("The repository %q is not in the location of the trigger, %s.", repository, location)
	}
	if account := gcp.LastSegment(p.Text("serviceAccount")); account != "" && !t.AccountExists(account) {
		return gcp.BadRequest("Service account %s does not exist.", account)
	}
	if slices.ContainsFunc(t.All(KindTrigger, "projects/"+t.New.Project()+"/"), func(o *gcp.Object) bool {
		return o.Name != t.New.Name && o.Config.Text("name") == p.Text("name")
	}) {
		return gcp.AlreadyExists(p.Text("name"))
	}
	t.Stamp("createTime")
	t.Complete(gcp.Properties{"triggerId": t.New.ID()}, gcp.Properties{"approvalConfig": gcp.Properties{"approvalRequired": false}})
	return nil
}
