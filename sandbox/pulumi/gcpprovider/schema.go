package gcpprovider

import (
	_ "embed"
	"encoding/json"
	"strings"
	"sync"
)

//go:generate sh -c "go run ./schemagen -sdk $(go -C ../../../infra list -m -f '{{.Dir}}' github.com/pulumi/pulumi-gcp/sdk/v9) gcp:projects/service:Service gcp:compute/network:Network gcp:compute/subnetwork:Subnetwork gcp:compute/address:Address gcp:compute/router:Router gcp:compute/routerNat:RouterNat gcp:serviceaccount/account:Account gcp:projects/iAMMember:IAMMember gcp:serviceaccount/iAMMember:IAMMember gcp:artifactregistry/repository:Repository gcp:artifactregistry/repositoryIamMember:RepositoryIamMember gcp:container/cluster:Cluster gcp:container/nodePool:NodePool gcp:monitoring/dashboard:Dashboard gcp:monitoring/alertPolicy:AlertPolicy gcp:monitoring/notificationChannel:NotificationChannel gcp:projects/serviceIdentity:ServiceIdentity gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember gcp:binaryauthorization/policy:Policy gcp:binaryauthorization/attestor:Attestor gcp:containeranalysis/note:Note gcp:containeranalysis/occurence:Occurence gcp:certificateauthority/certificate:Certificate gcp:projects/iAMCustomRole:IAMCustomRole gcp:iam/workloadIdentityPool:WorkloadIdentityPool gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider gcp:storage/bucketIAMMember:BucketIAMMember gcp:secretmanager/secretIamMember:SecretIamMember gcp:cloudbuild/trigger:Trigger gcp:dns/managedZone:ManagedZone gcp:dns/recordSet:RecordSet"

// schemaJSON is generated from the SDK v9.33.0 by schemagen.
//
//go:embed schema.json
var schemaJSON []byte

// typeSchema describes one resource type of the SDK.
type typeSchema struct {
	// Inputs are Go types by property: pointers, slices and maps are optional.
	Inputs map[string]string `json:"inputs"`
	// Computed inputs keep their value when a program stops giving one.
	Computed []string `json:"computed"`
	// Outputs are the properties that are no inputs.
	Outputs []string `json:"outputs"`
}

type schemas struct {
	Resources map[string]typeSchema        `json:"resources"`
	Types     map[string]map[string]string `json:"types"`
}

var loadSchemas = sync.OnceValue(func() schemas {
	var s schemas
	if err := json.Unmarshal(schemaJSON, &s); err != nil {
		panic("schema.json is generated: " + err.Error())
	}
	return s
})

// optional reports whether a property of a Go type may be left out.
func optional(goType string) bool {
	return strings.HasPrefix(goType, "*") || isList(goType) || isMap(goType)
}

func isList(goType string) bool { return strings.HasPrefix(goType, "[]") }
func isMap(goType string) bool  { return strings.HasPrefix(goType, "map[string]") }
