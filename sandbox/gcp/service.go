package gcp

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

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
	kind: KindService, name: "projects/{project}/services/{service}",
	permissions: verbs{
		VerbCreate: on(onProject, "serviceusage.services.enable", "serviceusage.operations.get"),
		VerbGet:    on(onProject, "serviceusage.services.list", "resourcemanager.projects.get"),
		VerbUpdate: on(onProject, "serviceusage.services.enable", "serviceusage.operations.get"),
		VerbDelete: on(onProject, "serviceusage.services.disable", "serviceusage.operations.get"),
	},
	noun: "service", idempotent: true, check: checkService, admit: admitService, release: releaseService,
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
		if _, ok := t.object(n); !ok {
			t.add(&Object{Kind: KindService, Name: n, Config: Properties{"service": other}, Status: Properties{"project": t.new.project()}})
		}
	}
	t.stamp(enabledAt)
	return nil
}

func releaseService(t *change) error {
	var active []string
	for _, o := range t.all(KindService, "") {
		if o.project() == t.old.project() &&
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
