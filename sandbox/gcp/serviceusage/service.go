package serviceusage

import (
	"fmt"
	"regexp"
	"slices"
	"strings"

	"example.com/grpc-edge/sandbox/gcp"
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

// serviceResource describes services. To enable an enabled one is no error ("services.enable",
// Service Usage API).
var serviceResource = &gcp.Resource{
	Kind: gcp.KindService, Noun: "service", Name: "projects/{project}/services/{service}",
	Permissions: gcp.Verbs{
		gcp.VerbCreate: gcp.On(gcp.OnProject, "serviceusage.services.enable", "serviceusage.operations.get"),
		gcp.VerbGet:    gcp.On(gcp.OnProject, "serviceusage.services.list", "resourcemanager.projects.get"),
		gcp.VerbUpdate: gcp.On(gcp.OnProject, "serviceusage.services.enable", "serviceusage.operations.get"),
		gcp.VerbDelete: gcp.On(gcp.OnProject, "serviceusage.services.disable", "serviceusage.operations.get"),
	},
	Idempotent: true, Check: checkService, Admit: admitService, Release: releaseService,
}

var serviceName = regexp.MustCompile(`^([-a-z0-9]+)\.googleapis\.com$`)

func checkService(p gcp.Properties) []gcp.Violation {
	c := &gcp.Checker{P: p}
	c.Match("service", serviceName, "be the full name of a service, such as compute.googleapis.com")
	return c.Found
}

func admitService(t *gcp.Change) error {
	name := t.New.Config.Text("service")
	if m := serviceName.FindStringSubmatch(name); m == nil || !slices.Contains(services, m[1]) {
		return &gcp.Error{Code: 403, Reason: "forbidden",
			Message: fmt.Sprintf("Not found or permission denied for service(s): %s.", name)}
	}
	for _, other := range dependencies[name] {
		n := gcp.ServicePath(t.New.Project(), other)
		if _, ok := t.Object(n); !ok {
			t.Add(&gcp.Object{Kind: gcp.KindService, Name: n, Config: gcp.Properties{"service": other}, Status: gcp.Properties{"project": t.New.Project()}})
		}
	}
	t.Stamp(gcp.EnabledAt)
	return nil
}

func releaseService(t *gcp.Change) error {
	var active []string
	for _, o := range t.All(gcp.KindService, "") {
		if o.Project() == t.Old.Project() &&
			slices.Contains(dependencies[o.ID()], t.Old.ID()) {
			active = append(active, o.ID())
		}
	}
	if len(active) > 0 && !t.Old.Config.Bool("disableDependentServices") {
		return gcp.BadRequest("The service %s is depended on by the following active service(s): %s; Please specify "+
			"disable_dependent_services=true if you want to proceed with disabling all services.",
			t.Old.ID(), strings.Join(active, ","))
	}
	return nil
}
