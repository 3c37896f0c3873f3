package gcp

import (
	"context"
	"strings"
	"testing"
)

const testKey = "projects/test-project/locations/us-central1/keyRings/ring/cryptoKeys/key"

// What is encrypted with a key can be made once the service's agent may use it.
func TestEncryption(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), newFakeRuntime())
	build(t, c)
	agent := "serviceAccount:service-" + ProjectNumber("test-project") + "@gcp-sa-artifactregistry.iam.gserviceaccount.com"
	if _, err := c.Create(context.Background(), KindCryptoKeyMember, here, Properties{"cryptoKeyId": testKey, "role": encrypter, "member": agent}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.Create(context.Background(), KindRepository, here, Properties{
		"repositoryId": "sealed", "format": "DOCKER", "location": "us-central1", "kmsKeyName": testKey}); err != nil {
		t.Error(err)
	}
}

func TestCreateIsRefused(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), newFakeRuntime())
	build(t, c)
	create(t, c, KindIdentityPool, poolIDConfig)
	cases := []struct {
		name   string
		kind   Kind
		config Properties
		code   int
		want   string
	}{
		{"network exists", KindNetwork, Properties{"name": "net"}, 409, "The resource '" + networkName + "' already exists, alreadyExists"},
		{"network name", KindNetwork, Properties{"name": "Net"}, 400, "must be 1-63 characters"},
		{"network MTU", KindNetwork, Properties{"name": "n", "mtu": 1200.0}, 400, "1200 is not between 1300 and 8896"},
		{"project ID", KindNetwork, Properties{"name": "n", "project": "P"}, 400, `Invalid project ID "P"`},
		{"API of another project", KindNetwork, Properties{"name": "n", "project": "other-project"}, 403,
			"Compute Engine API has not been used in project"},
		{"subnet without network", KindSubnetwork, with(subnetConfig, Properties{"name": "s", "network": "nope"}), 404,
			"The resource 'projects/test-project/global/networks/nope' was not found, notFound"},
		{"subnet range", KindSubnetwork, Properties{"name": "s", "network": "net", "ipCidrRange": "10.0.0.1/20"}, 400, "host bits are set"},
		{"subnet range size", KindSubnetwork, Properties{"name": "s", "network": "net", "ipCidrRange": "10.9.0.0/30"}, 400, "between 4 and 29"},
		{"subnet range prohibited", KindSubnetwork, Properties{"name": "s", "network": "net", "ipCidrRange": "169.254.0.0/24"}, 400, "no subnet may use"},
		{"subnet overlaps", KindSubnetwork, Properties{"name": "s", "network": "net", "ipCidrRange": "10.5.0.0/20"}, 400,
			"Invalid IPCidrRange: 10.5.0.0/20 conflicts with existing subnetwork 'sub' in region 'us-central1'., invalid"},
		{"subnet overlaps itself", KindSubnetwork, Properties{"name": "s", "network": "net", "ipCidrRange": "10.16.0.0/20",
			"secondaryIpRanges": []any{Properties{"rangeName": "r", "ipCidrRange": "10.16.8.0/24"}}}, 400, "conflicts with existing subnetwork 's'"},
		{"subnet region", KindSubnetwork, with(subnetConfig, Properties{"region": "us-central9"}), 400, "Unknown region"},
		{"firewall of both sorts", KindFirewall, Properties{"name": "f", "network": "net", "allows": []any{Properties{"protocol": "tcp"}},
			"denies": []any{Properties{"protocol": "tcp"}}}, 400, "not both"},
		{"firewall port", KindFirewall, Properties{"name": "f", "network": "net", "allows": []any{
			Properties{"protocol": "tcp", "ports": []any{"90-80"}}}}, 400, `"90-80" is neither a port nor a range`},
		{"firewall protocol with ports", KindFirewall, Properties{"name": "f", "network": "net", "allows": []any{
			Properties{"protocol": "icmp", "ports": []any{"80"}}}}, 400, "ports may only be specified"},
		{"firewall source", KindFirewall, Properties{"name": "f", "network": "net", "allows": []any{Properties{"protocol": "tcp"}}}, 400,
			"one of source_tags, source_ranges, or source_service_accounts must be defined"},
		{"firewall empty", KindFirewall, Properties{"name": "f", "network": "net"}, 400, "'resource.allowed' or 'resource.denied'"},
		{"egress with sources", KindFirewall, Properties{"name": "f", "network": "net", "direction": "EGRESS",
			"denies": []any{Properties{"protocol": "all"}}, "sourceRanges": []any{"10.0.0.0/8"}}, 400, "Egress rules have destinations"},
		{"address asked for", KindAddress, Properties{"name": "a", "address": "203.0.113.99"}, 400, "not allocated to the project"},
		{"internal address", KindAddress, Properties{"name": "a", "addressType": "INTERNAL", "subnetwork": "sub", "address": "10.1.0.5"}, 400, "No such address is free"},
		{"router ASN", KindRouter, Properties{"name": "r", "network": "net", "bgp": Properties{"asn": 1.0}}, 400, "private ASN"},
		{"NAT without router", KindRouterNAT, Properties{"name": "nat", "router": "r", "sourceSubnetworkIpRangesToNat": "ALL_SUBNETWORKS_ALL_IP_RANGES"}, 404, "routers/r' was not found"},
		{"account ID", KindServiceAccount, Properties{"accountId": "short"}, 400, "6-30 characters"},
		{"account exists", KindServiceAccount, Properties{"accountId": "nodes-account"}, 409, "already exists"},
		{"deployer exists", KindServiceAccount, Properties{"accountId": "deployer"}, 409, "already exists"},
		{"key", KindCryptoKeyMember, Properties{"cryptoKeyId": "my-key", "role": "roles/viewer", "member": "allUsers"}, 400, "must be the resource name of a key"},
		{"repository with a key that may not be used", KindRepository, Properties{"repositoryId": "r", "format": "DOCKER", "location": "us-central1", "kmsKeyName": testKey}, 403,
			"grant roles/cloudkms.cryptoKeyEncrypterDecrypter on it to service-" + ProjectNumber("test-project") + "@gcp-sa-artifactregistry.iam.gserviceaccount.com"},
		{"key elsewhere", KindRepository, Properties{"repositoryId": "r", "format": "DOCKER", "location": "us-east1", "kmsKeyName": testKey}, 400, "must be in the same location as the resource, us-east1"},
		{"agent of another service", KindServiceIdentity, Properties{"service": "run.googleapis.com"}, 400, "not emulated"},
		{"policy's mode", KindAdmissionPolicy, Properties{"defaultAdmissionRule": Properties{"evaluationMode": "DENY"}}, 400, `"DENY" is not one of ALWAYS_ALLOW`},
		{"policy without attestors", KindAdmissionPolicy, Properties{"defaultAdmissionRule": Properties{"evaluationMode": "REQUIRE_ATTESTATION"}}, 400, "attestors are given if and only if"},
		{"policy's attestor", KindAdmissionPolicy, Properties{"defaultAdmissionRule": Properties{"evaluationMode": "REQUIRE_ATTESTATION",
			"requireAttestationsBies": []any{"projects/test-project/attestors/nobody"}}}, 400, "it must, before a policy can require its attestations"},
		{"attestor's note", KindAttestor, Properties{"name": "a", attestorNote: Properties{"noteReference": testNote}}, 404, "'" + testNote + "' was not found"},
		{"attestor's key", KindAttestor, attestorWith("PEM"), 400, "is not a PEM block of type PUBLIC KEY"},
		{"attestor's key by a password", KindAttestor, Properties{"name": "a", attestorNote: Properties{"noteReference": testNote,
			"publicKeys": []any{Properties{"asciiArmoredPgpPublicKey": "x"}}}}, 400, "only keys with pkixPublicKey are emulated"},
		{"attestor's key's ID", KindAttestor, Properties{"name": "a", attestorNote: Properties{"noteReference": testNote,
			"publicKeys": []any{Properties{"id": "key 1", "pkixPublicKey": Properties{}}}}}, 400, `"key 1" is not a URI`},
		{"attestor's algorithm", KindAttestor, Properties{"name": "a", attestorNote: Properties{"noteReference": testNote,
			"publicKeys": []any{Properties{"pkixPublicKey": Properties{"signatureAlgorithm": "RSA_PSS_2048_SHA256"}}}}}, 400, "does not match the key"},
		{"note without a hint", KindNote, Properties{"name": "n", "attestationAuthority": Properties{"hint": Properties{"humanReadableName": ""}}}, 400, "it is required"},
		{"note's name", KindNote, Properties{"name": "a/b"}, 400, "must be letters, digits"},
		{"occurrence's note", KindOccurrence, Properties{"noteName": testNote}, 404, "'" + testNote + "' was not found"},
		{"occurrence's note by its ID", KindOccurrence, Properties{"noteName": "edge"}, 400, "must be projects/<project>/notes/<note>"},
		{"occurrence's payload", KindOccurrence, Properties{"attestation": Properties{"serializedPayload": "{}"}}, 400, "it is not Base64"},
		{"occurrence unsigned", KindOccurrence, Properties{"attestation": Properties{"signatures": []any{}}}, 400, "one signature or more"},
		{"occurrence's signer", KindOccurrence, Properties{"attestation": Properties{"signatures": []any{Properties{"publicKeyId": "key 1"}}}}, 400, "is not a URI"},
		{"policy's pattern", KindAdmissionPolicy, Properties{"admissionWhitelistPatterns": []any{Properties{"namePattern": "**/image"}}}, 400, "must be an image's name"},
		{"certificate's name", KindCertificate, with(certificateConfig(t), Properties{"name": "a.b"}), 400, "1-63 letters, digits, underscores and hyphens"},
		{"certificate's lifetime", KindCertificate, with(certificateConfig(t), Properties{"lifetime": "90d"}), 400, "such as 3600s"},
		{"certificate for ever", KindCertificate, with(certificateConfig(t), Properties{"lifetime": nil}), 400, "Required field 'lifetime'"},
		{"certificate of nothing", KindCertificate, with(certificateConfig(t), Properties{"pemCsr": nil}), 400, "Exactly one of config and pem_csr"},
		{"certificate of a broken request", KindCertificate, with(certificateConfig(t), Properties{"pemCsr": "x"}), 400, "must be a certificate signing request"},
		{"certificate without a request", KindCertificate, with(certificateConfig(t), Properties{"config": Properties{}}), 400, "give pemCsr"},
		{"certificate of a missing pool", KindCertificate, with(certificateConfig(t), Properties{"pool": "other"}), 404, "caPools/other' was not found"},
		{"certificate elsewhere", KindCertificate, with(certificateConfig(t), Properties{"location": "mars"}), 400, "does not exist"},
		{"role", KindProjectMember, Properties{"role": "viewer", "member": "user:a@example.com"}, 400, "roles/<name>"},
		{"member", KindProjectMember, Properties{"role": "roles/viewer", "member": "a@example.com"}, 400, "must be a principal"},
		{"missing account", KindProjectMember, Properties{"role": "roles/viewer", "member": "serviceAccount:nobody@test-project.iam.gserviceaccount.com"}, 400,
			"Service account nobody@test-project.iam.gserviceaccount.com does not exist., badRequest"},
		{"missing identity pool", KindProjectMember, Properties{"role": "roles/viewer", "member": "serviceAccount:other.svc.id.goog[ns/sa]"}, 400, "Identity Pool does not exist (other.svc.id.goog)"},
		{"condition of nobody", KindProjectMember, grantIf("roles/browser", "allUsers", "true"), 400, "allUsers cannot be granted a role with a condition"},
		{"condition of a basic role", KindProjectMember, grantIf("roles/viewer", "user:a@example.com", "true"), 400, "a basic role cannot be granted"},
		{"condition that is no CEL", KindProjectMember, grantIf("roles/browser", "user:a@example.com", "resource.name ="), 400, "is no condition"},
		{"condition that is no truth", KindProjectMember, grantIf("roles/browser", "user:a@example.com", "resource.name"), 400, "must be true or false"},
		{"condition of a key", KindCryptoKeyMember, with(grantIf("roles/browser", "user:a@example.com", "true"), Properties{"cryptoKeyId": testKey}), 400, "on projects and buckets only"},
		{"pool ID", KindIdentityPool, Properties{"workloadIdentityPoolId": "abc"}, 400, "4-32 lowercase letters"},
		{"pool of Google", KindIdentityPool, Properties{"workloadIdentityPoolId": "gcp-pool"}, 400, "gcp- is reserved"},
		{"provider without pool", KindIdentityProvider, with(providerConfig, Properties{"workloadIdentityPoolId": "nope"}), 404, "workloadIdentityPools/nope' was not found"},
		{"provider for everybody", KindIdentityProvider, with(providerConfig, Properties{"attributeCondition": nil}), 400, "must reference one of the provider's claims"},
		{"provider whose condition is no truth", KindIdentityProvider, with(providerConfig, Properties{"attributeCondition": "size(assertion.repository)"}), 400, "must be a bool"},
		{"provider without subject", KindIdentityProvider, with(providerConfig, Properties{"attributeMapping": Properties{"attribute.a": "assertion.a"}}), 400, "must contain google.subject"},
		{"provider's attribute", KindIdentityProvider, with(providerConfig, Properties{"attributeMapping": Properties{"attribute.A": "assertion.a"}}), 400, "lowercase letters, digits and _"},
		{"provider's mapping", KindIdentityProvider, with(providerConfig, Properties{"attributeMapping": Properties{"google.subject": "claim.sub"}}), 400, "undeclared reference to 'claim'"},
		{"provider in the clear", KindIdentityProvider, with(providerConfig, Properties{"oidc": Properties{"issuerUri": "http://example.com"}}), 400, "must begin with https://"},
		{"provider of another protocol", KindIdentityProvider, with(providerConfig, Properties{"aws": Properties{"accountId": "1"}}), 400, "only oidc is"},
		{"member of a pool by the project's ID", KindAccountMember, Properties{"serviceAccountId": "projects/test-project/serviceAccounts/" + accountEmail, "role": "roles/iam.workloadIdentityUser",
			"member": "principalSet://iam.googleapis.com/projects/test-project/locations/global/workloadIdentityPools/pool/attribute.repository/o/r"}, 400, "by the number of its project"},
		{"member of a missing pool", KindAccountMember, Properties{"serviceAccountId": "projects/test-project/serviceAccounts/" + accountEmail, "role": "roles/iam.workloadIdentityUser",
			"member": "principalSet://iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/attribute.repository/o/r"}, 400, "Identity Pool does not exist (projects/1/"},
		{"bucket of another project", KindBucketMember, Properties{"bucket": "other-pulumi-state", "role": "roles/storage.objectUser", "member": "user:a@example.com"}, 404, "The specified bucket does not exist"},
		{"trigger elsewhere", KindTrigger, with(triggerConfig, Properties{"location": "us-east1"}), 400, "not in the location of the trigger, us-east1"},
		{"global trigger", KindTrigger, with(triggerConfig, Properties{"location": nil}), 400, "\"global\" does not exist"},
		{"trigger of both", KindTrigger, with(triggerConfig, Properties{"repositoryEventConfig": Properties{
			"repository": connected, "push": Properties{"branch": "x"}, "pullRequest": Properties{"branch": "x"}}}), 400, "either pullRequest or push"},
		{"trigger's branch", KindTrigger, with(triggerConfig, Properties{"repositoryEventConfig": Properties{"repository": connected, "push": Properties{"branch": "("}}}), 400, "is no regular expression"},
		{"trigger's account", KindTrigger, with(triggerConfig, Properties{"serviceAccount": "projects/test-project/serviceAccounts/no@test-project.iam.gserviceaccount.com"}), 400, "does not exist"},
		{"trigger's variable", KindTrigger, with(triggerConfig, Properties{"substitutions": Properties{"STACK": "dev"}}), 400, "must begin with _"},
		{"trigger by hand without a file", KindTrigger, with(triggerConfig, Properties{"repositoryEventConfig": nil, "sourceToBuild": Properties{"repository": connected, "ref": "refs/heads/main"}}), 400, "gitFileSource"},
		{"trigger by hand of a branch", KindTrigger, with(triggerConfig, Properties{"repositoryEventConfig": nil, "filename": nil, "gitFileSource": Properties{"path": "cloudbuild.yaml"},
			"sourceToBuild": Properties{"repository": connected, "ref": "main"}}), 400, "must begin with refs/"},
		{"trigger by hand elsewhere", KindTrigger, with(triggerConfig, Properties{"location": "us-east1", "repositoryEventConfig": nil, "filename": nil, "gitFileSource": Properties{"path": "cloudbuild.yaml"},
			"sourceToBuild": Properties{"repository": connected, "ref": "refs/heads/main"}}), 400, "not in the location of the trigger, us-east1"},
		{"trigger by hand and by a push", KindTrigger, with(triggerConfig, Properties{"gitFileSource": Properties{"path": "cloudbuild.yaml"},
			"sourceToBuild": Properties{"repository": connected, "ref": "refs/heads/main"}}), 400, "either repositoryEventConfig"},
		{"secret's name", KindSecretMember, Properties{"secretId": "a.b", "role": "roles/secretmanager.secretAccessor", "member": "user:a@example.com"}, 400, "1-255 letters"},
		{"trigger of another kind", KindTrigger, with(triggerConfig, Properties{"github": Properties{"owner": "o"}}), 400, "is not emulated"},
		{"member of missing repository", KindRepositoryMember, Properties{"repository": "nope", "location": "us-central1", "role": "roles/artifactregistry.reader", "member": "allUsers"}, 404, "was not found"},
		{"member of missing account", KindAccountMember, Properties{"serviceAccountId": "projects/test-project/serviceAccounts/no@test-project.iam.gserviceaccount.com",
			"role": "roles/iam.workloadIdentityUser", "member": "allUsers"}, 404, "was not found"},
		{"service", KindService, Properties{"service": "compote.googleapis.com"}, 403, "Not found or permission denied for service(s): compote.googleapis.com., forbidden"},
		{"service short", KindService, Properties{"service": "compute"}, 400, "full name of a service"},
		{"repository ID", KindRepository, Properties{"repositoryId": "A", "format": "DOCKER"}, 400, "1-63 characters"},
		{"repository format", KindRepository, Properties{"repositoryId": "a", "format": "NPM"}, 400, "only DOCKER"},
		{"remote without upstream", KindRepository, Properties{"repositoryId": "a", "format": "DOCKER", "mode": "REMOTE_REPOSITORY"}, 400, "if and only if"},
		{"cleanup policy", KindRepository, Properties{"repositoryId": "a", "format": "DOCKER", "cleanupPolicies": []any{
			Properties{"id": "x", "action": "DELETE", "mostRecentVersions": Properties{"keepCount": 3.0}}}}, 400, "goes with action KEEP"},
		{"cluster exists", KindCluster, clusterConfig, 409, "already exists"},
		{"cluster name", KindCluster, with(clusterConfig, Properties{"name": strings.Repeat("a", 41)}), 400, "1-40 characters"},
		{"cluster location", KindCluster, with(clusterConfig, Properties{"name": "c", "location": "mars"}), 400, `Location "mars" does not exist`},
		{"cluster in another region", KindCluster, with(clusterConfig, Properties{"name": "c", "location": "us-east1"}), 400, "is not in the cluster's region"},
		{"cluster size", KindCluster, with(clusterConfig, Properties{"name": "c", "initialNodeCount": nil}), 400, "initial_node_count must be greater than zero"},
		{"cluster subnet", KindCluster, with(clusterConfig, Properties{"name": "c", "subnetwork": "nope"}), 404, "subnetworks/nope' was not found"},
		{"cluster range", KindCluster, with(clusterConfig, Properties{"name": "c", "ipAllocationPolicy": Properties{"clusterSecondaryRangeName": "nope"}}), 400,
			`Secondary range "nope" does not exist in network "net", subnetwork "sub"`},
		{"cluster ranges", KindCluster, with(clusterConfig, Properties{"name": "c", "ipAllocationPolicy": Properties{
			"clusterSecondaryRangeName": "pods", "servicesSecondaryRangeName": "pods"}}), 400, "must be different"},
		{"control plane range", KindCluster, with(clusterConfig, Properties{"name": "c"}), 400, "overlaps with an existing range"},
		{"control plane size", KindCluster, with(clusterConfig, Properties{"name": "c", "privateClusterConfig": Properties{
			"enablePrivateNodes": true, "masterIpv4CidrBlock": "172.16.0.0/24"}}), 400, "not a /28"},
		{"public nodes with control plane range", KindCluster, with(clusterConfig, Properties{"name": "c", "privateClusterConfig": Properties{
			"masterIpv4CidrBlock": "172.16.1.0/28"}}), 400, "enable_private_nodes is false"},
		{"identity namespace", KindCluster, with(clusterConfig, Properties{"name": "c", "workloadIdentityConfig": Properties{"workloadPool": "x.svc.id.goog"}}), 400, "the only supported identity namespace"},
		{"Dataplane V2", KindCluster, with(clusterConfig, Properties{"name": "c", "datapathProvider": "ADVANCED_DATAPATH", "networkPolicy": Properties{"enabled": true}}), 400, "DatapathProvider=ADVANCED_DATAPATH"},
		{"monitored component", KindCluster, with(clusterConfig, Properties{"name": "c", "monitoringConfig": Properties{"enableComponents": []any{"WORKLOADS"}}}), 400, `"WORKLOADS" is not one of SYSTEM_COMPONENTS`},
		{"zone", KindCluster, with(clusterConfig, Properties{"name": "c", "nodeLocations": []any{"us-east1-b"}}), 400, `Invalid node location "us-east1-b"`},
		{"pool without cluster", KindNodePool, with(poolConfig, Properties{"cluster": "nope", "location": "us-central1"}), 404, "clusters/nope' was not found"},
		{"pool account", KindNodePool, with(poolConfig, Properties{"name": "p", "nodeConfig": Properties{"serviceAccount": "no@test-project.iam.gserviceaccount.com"}}), 400, "does not exist"},
		{"pool machine type", KindNodePool, with(poolConfig, Properties{"name": "p", "nodeConfig": Properties{"machineType": "huge"}}), 400, "must be a machine type"},
		{"pool upgrades", KindNodePool, with(poolConfig, Properties{"name": "p", "management": Properties{"autoUpgrade": false}}), 400,
			"Auto_upgrade cannot be false when release_channel REGULAR is set."},
		{"pool autoscaling", KindNodePool, with(poolConfig, Properties{"name": "p", "autoscaling": Properties{"minNodeCount": 3.0, "maxNodeCount": 2.0}}), 400, "more than maxNodeCount"},
		{"pool taint", KindNodePool, with(poolConfig, Properties{"name": "p", "nodeConfig": Properties{"taints": []any{Properties{"key": "k", "effect": "NoSchedule"}}}}), 400, "NO_SCHEDULE"},
		{"pool addresses", KindNodePool, with(poolConfig, Properties{"name": "p", "nodeCount": 400.0}), 400, "IP_SPACE_EXHAUSTED"},
	}
	before := strings.Join(c.Objects(), "\n")
	for _, tc := range cases {
		_, err := c.Create(context.Background(), tc.kind, here, tc.config)
		if err == nil || !strings.Contains(err.Error(), tc.want) || code(err) != tc.code {
			t.Errorf("%s: Create = %v, want an error %d with %q", tc.name, err, tc.code, tc.want)
		}
	}
	if after := strings.Join(c.Objects(), "\n"); after != before {
		t.Errorf("refused creations left something:\n%s\nwant\n%s", after, before)
	}
}

func TestDeleteIsRefusedWhileInUse(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), newFakeRuntime())
	build(t, c)
	create(t, c, KindRouter, Properties{"name": "r", "network": "net"})
	create(t, c, KindRouterNAT, Properties{"name": "nat", "router": "r", "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS",
		"natIpAllocateOption": "AUTO_ONLY", "subnetworks": []any{Properties{"name": subnetName}}})
	address, _ := ReservedAddress(c, "test-project", "us-central1", "ip")
	rule := ForwardingRule{Name: "a1", Project: "test-project", Region: "us-central1", Cluster: "gke", Address: address, Ports: []int32{443}}
	if err := PutForwardingRule(c, rule); err != nil {
		t.Fatal(err)
	}
	steps := []struct{ name, want string }{
		{"projects/test-project/global/networks/none", "was not found"},
		{networkName, "The network resource '" + networkName + "' is already being used by '"},
		{subnetName, "The subnetwork resource '" + subnetName + "' is already being used by '" + clusterPath},
		{addressName, "is already being used by 'projects/test-project/regions/us-central1/forwardingRules/a1'"},
		{"projects/test-project/services/compute.googleapis.com", "is depended on by the following active service(s): container.googleapis.com"},
		{clusterPath, ""}, // its pool goes with it
		{subnetName, "is already being used by 'projects/test-project/regions/us-central1/routers/r/nats/nat'"},
		{"projects/test-project/regions/us-central1/routers/r", ""}, // its gateway goes with it
		{subnetName, ""},
		{networkName, "is already being used by 'projects/test-project/global/firewalls/k8s-fw-a1'"},
	}
	for _, step := range steps {
		err := c.Delete(context.Background(), step.name)
		if got := errorText(err); step.want == "" && err != nil || !strings.Contains(got, step.want) {
			t.Errorf("Delete(%s) = %q, want %q", step.name, got, step.want)
		}
	}
	if err := DeleteForwardingRule(c, "a1"); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{networkName, addressName, "projects/test-project/serviceAccounts/" + accountEmail,
		"projects/test-project/locations/us-central1/repositories/images"} {
		remove(t, c, name)
	}
	if left := c.Objects(); len(left) != 0 {
		t.Errorf("Objects() = %v, want none", left)
	}
}

func errorText(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestAPIsAreRequired(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), newFakeRuntime())
	for kind, config := range map[Kind]Properties{
		KindNetwork: {"name": "n"}, KindServiceAccount: {"accountId": "account"},
		KindProjectMember: {"role": "roles/viewer", "member": "allUsers"},
		KindRepository:    {"repositoryId": "r", "format": "DOCKER"},
		KindCluster:       {"name": "c"},
		KindDashboard:     {"dashboardJson": `{"displayName": "d", "gridLayout": {}}`},
		KindAlertPolicy:   policyConfig, KindNotificationChannel: channelConfig,
	} {
		_, err := c.Create(context.Background(), kind, here, config)
		want := "before or it is disabled. Enable it by visiting https://console.developers.google.com/apis/api/" + kind.API()
		if code(err) != 403 || !strings.Contains(errorText(err), want) {
			t.Errorf("Create(%s) = %v, want 403 with %q", kind, err, want)
		}
	}
	create(t, c, KindService, Properties{"service": "container.googleapis.com"})
	create(t, c, KindNetwork, Properties{"name": "n"}) // compute came with container
	create(t, c, KindService, Properties{"service": "container.googleapis.com"})
}

func TestQuota(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), newFakeRuntime())
	enable(t, c)
	var err error
	for _, name := range strings.Fields("a b c d e f") {
		_, err = c.Create(context.Background(), KindNetwork, here, Properties{"name": name})
	}
	if want := "Quota 'NETWORKS' exceeded.  Limit: 5.0 globally., quotaExceeded"; code(err) != 403 || !strings.Contains(errorText(err), want) {
		t.Errorf("sixth network: %v, want %q", err, want)
	}
	for _, name := range strings.Fields("a b c d e f g h i") {
		_, err = c.Create(context.Background(), KindAddress, here, Properties{"name": name})
	}
	if want := "Limit: 8.0 in region us-central1."; !strings.Contains(errorText(err), want) {
		t.Errorf("ninth address: %v, want %q", err, want)
	}
	if _, err := c.Create(context.Background(), KindAddress, here, Properties{"name": "a", "region": "us-east1"}); err != nil {
		t.Errorf("address in another region: %v, want nil", err)
	}
}

func TestSubnetworkKeepsRangesInUse(t *testing.T) {
	t.Parallel()
	c := open(t, t.TempDir(), newFakeRuntime())
	build(t, c)
	without := with(subnetConfig, Properties{"secondaryIpRanges": subnetConfig["secondaryIpRanges"].([]any)[1:]})
	_, err := c.Update(context.Background(), subnetName, here, without)
	if want := subnetName + "/pods' is already being used by '" + clusterPath; !strings.Contains(errorText(err), want) {
		t.Errorf("Update = %v, want %q", err, want)
	}
	more := with(subnetConfig, Properties{"ipCidrRange": "10.0.0.0/19", "privateIpGoogleAccess": true})
	o, err := c.Update(context.Background(), subnetName, here, more)
	if err != nil || o.Properties().str("ipCidrRange") != "10.0.0.0/19" || !o.Properties().boolean("privateIpGoogleAccess") {
		t.Errorf("Update = %v, %v, want the new range and access", o.Properties(), err)
	}
}
