package gcp

import (
	"fmt"
	"hash/fnv"
	"time"
)

// KindService is the kind of an API that is enabled in a project.
const KindService Kind = "serviceusage.googleapis.com/Service"

// EnabledAt is the property with the time at which an API was enabled. It belongs
// to the emulator and is not an output.
const EnabledAt = "enabledAt"

// knows reports whether an enabled API knows by now that it is enabled.
func (c *Cloud) knows(service *Object) bool {
	at, err := time.Parse(time.RFC3339Nano, service.Status.Text(EnabledAt))
	return err != nil || c.now().Sub(at) >= c.propagation
}

// RequireAPI refuses calls to an API that is not enabled.
func (v View) RequireAPI(api, project string) error {
	if o, enabled := v.Object(ServicePath(project, api)); enabled && v.cloud.knows(o) || v.cloud.title(api) == "" {
		return nil
	}
	return v.cloud.disabled(api, project)
}

// disabled returns the refusal of an API that is not enabled.
func (c *Cloud) disabled(api, project string) error {
	number := ProjectNumber(project)
	return &Error{Code: 403, Reason: "accessNotConfigured", Message: fmt.Sprintf("%s has not been used in project %s "+
		"before or it is disabled. Enable it by visiting https://console.developers.google.com/apis/api/%s/overview?project=%s "+
		"then retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems and retry.",
		c.title(api), number, api, number)}
}

// Enabled returns the error of an API that is not enabled in a project, or does not know yet
// that it is. It returns nil for an API that is usable.
func (c *Cloud) Enabled(api, project string) error {
	v, done := c.View()
	defer done()
	return v.RequireAPI(api, v.ProjectID(project))
}

// ServicePath returns the name of an API that is enabled in a project.
func ServicePath(project, service string) string {
	return "projects/" + project + "/services/" + service
}

// ProjectNumber returns the number that a project has here in place of Google's: 12 digits,
// always the same for the same ID.
func ProjectNumber(project string) string {
	h := fnv.New64a()
	h.Write([]byte(project))
	return fmt.Sprintf("%012d", 100_000_000_000+h.Sum64()%900_000_000_000)
}
