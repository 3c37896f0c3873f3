package gcp

import (
	"cmp"
	"regexp"
	"slices"
	"strings"
)

// A trigger starts builds of Cloud Build at events of a repository
// ("projects.locations.triggers", Cloud Build API). A person who proves to own the repository
// connects it, so it exists without being created. A trigger without an event is run by hand
// ("Create manual triggers"). No build runs.
var triggerRule = &rule{
	kind: KindTrigger, name: "projects/{project}/locations/{location}/triggers/{uuid}",
	permissions: verbs{ // each method's page, Cloud Build API: one permission is for builds and to change triggers
		VerbCreate: append(on(onProject, "cloudbuild.builds.create"), grant{permission: actAs, on: onTriggered}),
		VerbGet:    on(onProject, "cloudbuild.builds.get"),
		VerbUpdate: append(on(onProject, "cloudbuild.builds.create"), grant{permission: actAs, on: onTriggered}),
		VerbDelete: on(onProject, "cloudbuild.builds.create"),
	},
	noun: "trigger", check: checkTrigger, admit: admitTrigger,
}

func onTriggered(call Call) string {
	return onProject(call) + "/serviceAccounts/" + lastSegment(call.Config.str("serviceAccount"))
}

var (
	triggerName        = regexp.MustCompile(`^[A-Za-z0-9](?:[-A-Za-z0-9]{0,62}[A-Za-z0-9])?$`)
	triggerAccount     = regexp.MustCompile(`^projects/[^/]+/serviceAccounts/[^/]+$`)
	triggerVariable    = regexp.MustCompile(`^_[A-Z0-9_]+$`) // "Substituting variable values"
	connectedLocation  = regexp.MustCompile(`^projects/[^/]+/locations/([^/]+)/connections/[^/]+/repositories/[^/]+$`)
	triggerUnsupported = strings.Fields("bitbucketServerTriggerConfig developerConnectEventConfig github pubsubConfig triggerTemplate webhookConfig build")
)

func checkTrigger(p Properties) []Violation {
	c := &checker{p: p}
	c.match("name", triggerName, "be 1-64 letters, digits and hyphens, not a hyphen at either end")
	c.match("serviceAccount", triggerAccount, "be projects/<project>/serviceAccounts/<email>")
	for _, at := range []string{"repositoryEventConfig.repository", "sourceToBuild.repository", "gitFileSource.repository"} {
		c.match(at, connectedLocation, "be the resource name of a repository of a connection")
	}
	c.match("sourceToBuild.ref", regexp.MustCompile(`^refs/`), "begin with refs/, as refs/heads/main does")
	c.oneOf("repositoryEventConfig.pullRequest.commentControl",
		"COMMENTS_DISABLED", "COMMENTS_ENABLED", "COMMENTS_ENABLED_FOR_EXTERNAL_CONTRIBUTORS_ONLY")
	for _, key := range triggerUnsupported {
		if p.has(key) {
			c.wrong(key, "is not emulated: only repositoryEventConfig with a filename, and sourceToBuild with a gitFileSource are")
		}
	}
	for _, at := range []string{"repositoryEventConfig.pullRequest.branch", "repositoryEventConfig.push.branch", "repositoryEventConfig.push.tag"} {
		if _, err := regexp.Compile(p.str(at)); err != nil { // of RE2, as Cloud Build's
			c.wrong(at, "%q is no regular expression: %v", p.str(at), err)
		}
	}
	for key := range p.object("substitutions") {
		if !triggerVariable.MatchString(key) {
			c.wrong("substitutions", "%q must begin with _ and hold uppercase letters, digits and _ only", key)
		}
	}
	return c.found
}

func admitTrigger(t *change) error {
	p := t.new.Config
	event, source := p.object("repositoryEventConfig"), p.object("sourceToBuild")
	switch {
	case (event == nil) == (source == nil):
		return badRequest("A trigger needs either repositoryEventConfig, or sourceToBuild to be run by hand.")
	case event != nil && (event.has("pullRequest") == event.has("push") || p.str("filename") == ""):
		return badRequest("A trigger of a repository's events needs either pullRequest or push, and a filename.")
	case source != nil && (p.has("filename") || p.str("gitFileSource.path") == ""):
		return badRequest("A trigger that is run by hand needs a gitFileSource with a path, in the place of a filename.")
	}
	location, repository := t.new.Status.str("location"), cmp.Or(event.str("repository"), source.str("repository"))
	if parts := connectedLocation.FindStringSubmatch(repository); parts == nil || parts[1] != location {
		return badRequest("The repository %q is not in the location of the trigger, %s.", repository, location)
	}
	if account := lastSegment(p.str("serviceAccount")); account != "" && !t.accountExists(account) {
		return badRequest("Service account %s does not exist.", account)
	}
	if slices.ContainsFunc(t.all(KindTrigger, "projects/"+t.new.project()+"/"), func(o *Object) bool {
		return o.Name != t.new.Name && o.Config.str("name") == p.str("name")
	}) {
		return alreadyExists(p.str("name"))
	}
	t.stamp("createTime")
	t.complete(Properties{"triggerId": t.new.last()}, Properties{"approvalConfig": Properties{"approvalRequired": false}})
	return nil
}
