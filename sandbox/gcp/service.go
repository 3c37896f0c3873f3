package gcp

import (
	"fmt"
	"hash/fnv"
	"regexp"
	"slices"
	"strings"
	"time"
)

// apiTitles maps the APIs of the objects here to their names in messages.
var apiTitles = map[string]string{
	"binaryauthorization.googleapis.com":  "Binary Authorization API",
	"cloudbuild.googleapis.com":           "Cloud Build API",
	"secretmanager.googleapis.com":        "Secret Manager API",
	"cloudkms.googleapis.com":             "Cloud Key Management Service (KMS) API",
	"artifactregistry.googleapis.com":     "Artifact Registry API",
	"cloudresourcemanager.googleapis.com": "Cloud Resource Manager API",
	"compute.googleapis.com":              "Compute Engine API",
	"container.googleapis.com":            "Kubernetes Engine API",
	"containeranalysis.googleapis.com":    "Container Analysis API",
	"monitoring.googleapis.com":           "Cloud Monitoring API",
	"iam.googleapis.com":                  "Identity and Access Management (IAM) API",
	"privateca.googleapis.com":            "Certificate Authority API",
	"dns.googleapis.com":                  "Cloud DNS API",
}

// services lists the services that can be enabled, without .googleapis.com: those for
// infrastructure ("Google Cloud APIs" lists all).
var services = strings.Fields(`
	accesscontextmanager anthos anthosconfigmanagement apigateway artifactregistry autoscaling backupdr bigquery
	billingbudgets binaryauthorization certificatemanager cloudapis cloudasset cloudbilling cloudbuild clouddeploy
	cloudfunctions cloudkms cloudprofiler cloudquotas cloudresourcemanager cloudscheduler cloudtasks cloudtrace
	compute connectgateway container containeranalysis containerfilesystem containerregistry containerscanning
	containersecurity containerthreatdetection deploymentmanager dns domains essentialcontacts eventarc file
	firestore gkebackup gkeconnect gkehub iam iamcredentials iap logging mesh meshconfig monitoring
	multiclusteringress multiclusterservicediscovery networkconnectivity networkmanagement networksecurity
	networkservices ondemandscanning orgpolicy osconfig oslogin policytroubleshooter privateca pubsub recommender
	redis run secretmanager securitycenter servicedirectory servicemanagement servicenetworking serviceusage spanner
	sqladmin storage storage-api storage-component storagetransfer sts telemetry trafficdirector vpcaccess
	websecurityscanner workflows`)

// dependencies maps a service to the services that it enables with itself, and that cannot be
// disabled before it ("Enabling and disabling services", Service Usage).
var dependencies = map[string][]string{
	"container.googleapis.com": {"compute.googleapis.com"},
}

// Enabling what is enabled is no error ("services.enable", Service Usage API).
var serviceRule = &rule{
	noun: "service", idempotent: true, check: checkService, admit: admitService, release: releaseService, build: nothing, raze: nothing,
}

var serviceName = regexp.MustCompile(`^([-a-z0-9]+)\.googleapis\.com$`)

func checkService(p Properties) []Violation {
	c := &checker{p: p}
	c.match("service", serviceName, "be the full name of a service, such as compute.googleapis.com")
	return c.found
}

func admitService(t *change) error {
	name := t.new.Config.str("service")
	if m := serviceName.FindStringSubmatch(name); m == nil || !slices.Contains(services, m[1]) {
		return &Error{Code: 403, Reason: "forbidden",
			Message: fmt.Sprintf("Not found or permission denied for service(s): %s.", name)}
	}
	for _, other := range dependencies[name] {
		n := servicePath(t.new.project(), other)
		if _, ok := t.objects[n]; !ok {
			t.objects[n] = &Object{Kind: KindService, Name: n, made: true,
				Config: Properties{"service": other}, Status: Properties{"project": t.new.project()}}
		}
	}
	t.stamp(enabledAt)
	return nil
}

// enabledAt is the property with the time at which an API was enabled. It is the
// emulator's own and no output.
const enabledAt = "enabledAt"

// knows reports whether an API that is enabled is known to be so by now. c.mu must be held.
func (c *Cloud) knows(service *Object) bool {
	at, err := time.Parse(time.RFC3339Nano, service.Status.str(enabledAt))
	return err != nil || c.now().Sub(at) >= c.propagation
}

func releaseService(t *change) error {
	var active []string
	for _, name := range sortedNames(t.objects) {
		if o := t.objects[name]; o.Kind == KindService && o.project() == t.old.project() &&
			slices.Contains(dependencies[o.last()], t.old.last()) {
			active = append(active, o.last())
		}
	}
	if len(active) > 0 && !t.old.Config.boolean("disableDependentServices") {
		return badRequest("The service %s is depended on by the following active service(s): %s; Please specify "+
			"disable_dependent_services=true if you want to proceed with disabling all services.",
			t.old.last(), strings.Join(active, ","))
	}
	return nil
}

// requireAPI refuses calls to an API that is not enabled. c.mu must be held.
func (c *Cloud) requireAPI(api, project string) error {
	if o, enabled := c.objects[servicePath(project, api)]; enabled && c.knows(o) || apiTitles[api] == "" {
		return nil
	}
	number := ProjectNumber(project)
	return &Error{Code: 403, Reason: "accessNotConfigured", Message: fmt.Sprintf("%s has not been used in project %s "+
		"before or it is disabled. Enable it by visiting https://console.developers.google.com/apis/api/%s/overview?project=%s "+
		"then retry. If you enabled this API recently, wait a few minutes for the action to propagate to our systems and retry.",
		apiTitles[api], number, api, number)}
}

// Enabled refuses in the words of an API that is not enabled in a project, or not known to
// be yet.
func (c *Cloud) Enabled(api, project string) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.requireAPI(api, c.projectID(project))
}

func servicePath(project, service string) string {
	return "projects/" + project + "/services/" + service
}

// ProjectNumber returns the number that a project has here in place of Google's: 12 digits,
// always the same for the same ID.
func ProjectNumber(project string) string {
	h := fnv.New64a()
	h.Write([]byte(project))
	return fmt.Sprintf("%012d", 100_000_000_000+h.Sum64()%900_000_000_000)
}
