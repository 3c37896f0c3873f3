package recovery

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
)

// byName holds the ID formats of resources that may have been created before Pulumi knew.
// They use the inputs, the project and the region. They come from the section Import of
// each type's page in Pulumi's registry.
var byName = map[string]string{
	"gcp:artifactregistry/repository:Repository":                        "projects/{project}/locations/{location}/repositories/{repositoryId}",
	"gcp:binaryauthorization/attestor:Attestor":                         "projects/{project}/attestors/{name}",
	"gcp:certificateauthority/certificate:Certificate":                  "projects/{project}/locations/{location}/caPools/{pool}/certificates/{name}",
	"gcp:compute/address:Address":                                       "projects/{project}/regions/{region}/addresses/{name}",
	"gcp:compute/network:Network":                                       "projects/{project}/global/networks/{name}",
	"gcp:compute/router:Router":                                         "projects/{project}/regions/{region}/routers/{name}",
	"gcp:compute/routerNat:RouterNat":                                   "{project}/{region}/{router}/{name}",
	"gcp:compute/subnetwork:Subnetwork":                                 "projects/{project}/regions/{region}/subnetworks/{name}",
	"gcp:container/cluster:Cluster":                                     "projects/{project}/locations/{location}/clusters/{name}",
	"gcp:container/nodePool:NodePool":                                   "{cluster}/nodePools/{name}", // infra gives the cluster's ID
	"gcp:containeranalysis/note:Note":                                   "projects/{project}/notes/{name}",
	"gcp:dns/managedZone:ManagedZone":                                   "projects/{project}/managedZones/{name}",
	"gcp:iam/workloadIdentityPool:WorkloadIdentityPool":                 "projects/{project}/locations/global/workloadIdentityPools/{workloadIdentityPoolId}",
	"gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider": "projects/{project}/locations/global/workloadIdentityPools/{workloadIdentityPoolId}/providers/{workloadIdentityPoolProviderId}",
	"gcp:projects/iAMCustomRole:IAMCustomRole":                          "projects/{project}/roles/{roleId}",
	"gcp:serviceaccount/account:Account":                                "projects/{project}/serviceAccounts/{accountId}@{project}.iam.gserviceaccount.com",
}

// numbered lists resources whose ID Google chooses, with the command that lists them.
var numbered = map[string]string{
	"gcp:cloudbuild/trigger:Trigger":                         "gcloud builds triggers list --region={region} --project={project}",
	"gcp:containeranalysis/occurence:Occurence":              `curl -H "Authorization: Bearer $(gcloud auth print-access-token)" "https://containeranalysis.googleapis.com/v1/{noteName}/occurrences"`,
	"gcp:monitoring/alertPolicy:AlertPolicy":                 "gcloud monitoring policies list --project={project} --filter='displayName=\"{displayName}\"'",
	"gcp:monitoring/dashboard:Dashboard":                     "gcloud monitoring dashboards list --project={project}",
	"gcp:monitoring/notificationChannel:NotificationChannel": "gcloud beta monitoring channels list --project={project} --filter='displayName=\"{displayName}\"'",
}

// nameInCluster returns the ID of an object in a cluster: its namespace, if it is in one,
// and its name (pulumi-kubernetes, "Importing").
func nameInCluster(inputs map[string]any) (string, error) {
	metadata, _ := inputs["metadata"].(map[string]any)
	name, _ := metadata["name"].(string)
	if name == "" {
		return "", errors.New("the object has no name")
	}
	if namespace, _ := metadata["namespace"].(string); namespace != "" {
		return namespace + "/" + name, nil
	}
	return name, nil
}

var placeholder = regexp.MustCompile(`{(\w+)}`)

// fill replaces the placeholders in a text with a resource's inputs, and with the place if
// the inputs leave it out.
func fill(text string, inputs map[string]any, place map[string]string) (string, error) {
	var missing []string
	filled := placeholder.ReplaceAllStringFunc(text, func(found string) string {
		key := strings.Trim(found, "{}")
		if value, ok := inputs[key].(string); ok {
			return value
		}
		if place[key] == "" {
			missing = append(missing, key)
		}
		return place[key]
	})
	if len(missing) > 0 {
		return "", fmt.Errorf("neither the resource nor the stack's config has %s", strings.Join(missing, ", "))
	}
	return filled, nil
}
