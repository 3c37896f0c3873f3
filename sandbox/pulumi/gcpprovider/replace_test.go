package gcpprovider

import (
	"strings"
	"testing"

	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// TestWhatReplaces changes each input that a key of a stack leads to, one at a time. Whether it
// changes in place follows the Terraform provider's documentation ("Changing this forces a new
// resource"). Where Google refuses the new object beside the old one, and the provider does not
// delete first by itself, the program must say so.
func TestWhatReplaces(t *testing.T) {
	t.Parallel()
	e := newEngine(t, noRuntime{})
	states, inputs := map[string]state{}, map[string]props{}
	for _, step := range program() {
		states[step.token], inputs[step.token] = e.create(step.token, step.inputs), step.inputs
	}
	const account = "nodes-account@test-project.iam.gserviceaccount.com"
	const repository = "projects/test-project/locations/us-central1/connections/github/repositories/r"
	const key = "projects/test-project/locations/us-central1/keyRings/ring/cryptoKeys/key"
	node := func(change props) props {
		config := props{"machineType": "e2-medium", "serviceAccount": account, "spot": true}
		for name, value := range change {
			config[name] = value
		}
		return props{"nodeConfig": config}
	}
	cases := []struct {
		key, token string
		change     props
		replaced   bool
	}{
		{"gcp:region", "gcp:compute/address:Address", props{"region": "europe-west1"}, true},
		{"gcp:region", subnetworkType, props{"region": "europe-west1"}, true},
		{"gcp:region", "gcp:compute/router:Router", props{"region": "europe-west1"}, true},
		{"gcp:region", repositoryType, props{"location": "europe-west1"}, true},
		{"labels", "gcp:compute/address:Address", props{"labels": props{"team": "edge"}}, false},
		{"labels", clusterToken, props{"resourceLabels": props{"team": "edge"}}, false},
		{"labels", poolToken, node(props{"resourceLabels": props{"team": "edge"}}), false},
		{"labels", repositoryType, props{"labels": props{"team": "edge"}}, false},
		{"kmsKey", repositoryType, props{"kmsKeyName": key}, true},
		{"dockerHubTokenSecret", repositoryType, props{"remoteRepositoryConfig": props{"upstreamCredentials": props{"usernamePasswordCredentials": props{
			"username": "edgebuilder", "passwordSecretVersion": "projects/test-project/secrets/docker-hub/versions/2"}}}}, false},
		{"kmsKey", clusterToken, props{"databaseEncryption": props{"state": "ENCRYPTED", "keyName": key}}, false},
		{"kmsKey", poolToken, node(props{"bootDiskKmsKey": key}), true},
		{"binaryAuthorization", clusterToken, props{"binaryAuthorization": props{"evaluationMode": "PROJECT_SINGLETON_POLICY_ENFORCE"}}, false},
		{"binaryAuthorization", "gcp:binaryauthorization/policy:Policy", props{"globalPolicyEvaluationMode": "DISABLE"}, false},
		{"signingKey", attestorType, props{"attestationAuthorityNote": props{"noteReference": "projects/test-project/notes/edge", "publicKeys": []any{props{
			"id": "//cloudkms.googleapis.com/v1/" + key + "/cryptoKeyVersions/2", "pkixPublicKey": props{"signatureAlgorithm": "ECDSA_P256_SHA256"}}}}}, false},
		{"signingKey", occurrenceType, props{"attestation": props{"serializedPayload": "e30=", "signatures": []any{props{
			"publicKeyId": "//cloudkms.googleapis.com/v1/" + key + "/cryptoKeyVersions/2", "signature": "AA=="}}}}, false},
		{"an image", occurrenceType, props{"resourceUri": "https://us-central1-docker.pkg.dev/test-project/images/echo@sha256:1"}, true},
		{"the stack's name", noteType, props{"name": "other"}, true},
		{"the stack's name", attestorType, props{"attestationAuthorityNote": props{"noteReference": "projects/test-project/notes/other"}}, true},
		{"labels", certificateType, props{"labels": props{"team": "edge"}}, false},
		{"certificateLifetimeDays", certificateType, props{"lifetime": "3888000s"}, true},
		{"certificateAuthorityPool", certificateType, props{"pool": "other"}, true},
		{"authority", certificateType, props{"pemCsr": strings.TrimSpace(certificateRequest())}, true},
		{"imageKeepVersions", repositoryType, props{"cleanupPolicies": []any{props{"id": "keep", "action": "KEEP", "mostRecentVersions": props{"keepCount": 5}}}}, false},
		{"imageScanning", repositoryType, props{"vulnerabilityScanningConfig": props{"enablementConfig": "INHERITED"}}, false},
		{"clusterLocation", clusterToken, props{"location": "us-central1-a"}, true},
		{"releaseChannel", clusterToken, props{"releaseChannel": props{"channel": "STABLE"}}, false},
		{"authorizedNetworks", clusterToken, props{"masterAuthorizedNetworksConfig": props{"cidrBlocks": []any{props{"cidrBlock": "10.1.0.0/16"}}}}, false},
		{"dnsEndpoint", clusterToken, props{"controlPlaneEndpointsConfig": props{"dnsEndpointConfig": props{"allowExternalTraffic": true}, "ipEndpointsConfig": props{"enabled": false}}}, false},
		{"maintenanceWindow", clusterToken, props{"maintenancePolicy": props{"recurringWindow": props{
			"startTime": "2026-01-03T02:00:00Z", "endTime": "2026-01-03T10:00:00Z", "recurrence": "FREQ=WEEKLY;BYDAY=SA,SU"}}}, false},
		{"logging", clusterToken, props{"loggingConfig": props{"enableComponents": []any{"SYSTEM_COMPONENTS"}}}, false},
		{"securityPosture", clusterToken, props{"securityPostureConfig": props{"mode": "BASIC"}}, false},
		{"monitoring", clusterToken, props{"monitoringConfig": props{"enableComponents": []any{"SYSTEM_COMPONENTS"}, "managedPrometheus": props{"enabled": true}}}, false},
		{"deletionProtection", clusterToken, props{"deletionProtection": true}, false},
		{"nodeMachineType", poolToken, node(props{"machineType": "n2-standard-4"}), false},
		{"nodeZones", poolToken, props{"nodeLocations": []any{"us-central1-a"}}, false},
		{"nodeCount", poolToken, props{"nodeCount": 2}, false},
		{"nodeCountMax", poolToken, props{"autoscaling": props{"minNodeCount": 1, "maxNodeCount": 3}}, false},
		{"nodeDiskGb", poolToken, node(props{"diskSizeGb": 200}), false},
		{"nodeSpot", poolToken, node(props{"spot": false}), true},
		{"githubRepository", providerType, props{"attributeCondition": "assertion.repository == 'other/r'"}, false},
		{"githubRepositoryId", providerType, props{"attributeMapping": props{"google.subject": "assertion.sub", "attribute.repository": "assertion.repository_id"}}, false},
		{"githubBranch", triggerType, props{"repositoryEventConfig": props{"repository": repository, "pullRequest": props{"branch": "^release$"}}}, false},
		{"githubBranch", "gcp:serviceaccount/iAMMember:IAMMember", props{"member": "serviceAccount:" + account}, true},
		{"deletionProtection", triggerType, props{"approvalConfig": props{"approvalRequired": true}}, false},
		{"cloudBuildTokenSecret", secretMemberType, props{"secretId": "other"}, true},
		{"promotedFrom", triggerType, props{"substitutions": props{"_STACK": "dev", "_TRIED": "dev"}}, false},
		{"cloudBuildRepository, elsewhere", triggerType, props{"location": "europe-west1"}, true},
		{"nodesCidr, larger", subnetworkType, props{"ipCidrRange": "10.0.0.0/19"}, false},
		{"nodesCidr, another", subnetworkType, props{"ipCidrRange": "10.64.0.0/20"}, true},
		{"controlPlaneCidr", clusterToken, props{"privateClusterConfig": props{"enablePrivateNodes": true, "masterIpv4CidrBlock": "172.16.1.0/28"}}, true},
		{"dualStack", subnetworkType, props{"stackType": "IPV4_IPV6", "ipv6AccessType": "EXTERNAL"}, false},
		{"dualStack", clusterToken, props{"ipAllocationPolicy": props{"clusterSecondaryRangeName": "pods", "servicesSecondaryRangeName": "services", "stackType": "IPV4_IPV6"}}, false},
		{"flowLogs", subnetworkType, props{"logConfig": props{"aggregationInterval": "INTERVAL_1_MIN"}}, false},
		{"flowLogs", clusterToken, props{"enableIntranodeVisibility": true}, false},
		{"nat", "gcp:compute/routerNat:RouterNat", props{"logConfig": props{"enable": true, "filter": "ERRORS_ONLY"}}, false},
		{"alertErrorPercent", policyToken, props{"displayName": "Other"}, false},
		{"alertEmails", policyToken, props{"notificationChannels": []any{"projects/test-project/notificationChannels/1"}}, false},
		{"alertEmails", "gcp:monitoring/notificationChannel:NotificationChannel", props{"labels": props{"email_address": "other@example.com"}}, false},
	}
	stacks, kept := goldenResources(t), 0
	for _, tc := range cases {
		news := props{}
		for _, m := range []props{inputs[tc.token], tc.change} {
			for name, value := range m {
				news[name] = value
			}
		}
		d, _ := e.diff(states[tc.token], news)
		if d.Changes != pulumirpc.DiffResponse_DIFF_SOME {
			t.Errorf("%s: no change of %s", tc.key, tc.token)
		}
		if replaced := len(d.Replaces) > 0; replaced != tc.replaced {
			t.Errorf("%s: %s is replaced: %v (because of %v), want %v", tc.key, tc.token, replaced, d.Replaces, tc.replaced)
		}
		if !tc.replaced || d.DeleteBeforeReplace {
			continue
		}
		if _, err := e.tryCreate(tc.token, news); err == nil || !strings.Contains(err.Error(), "already exists") {
			continue
		}
		kept++
		for _, r := range stacks {
			if strings.HasPrefix(r.Resource, tc.token+" ") && !r.DeleteBeforeReplace {
				t.Errorf("%s: %s is made again under its own name: Google answers 409; register it with pulumi.DeleteBeforeReplace", tc.key, r.Resource)
			}
		}
	}
	if kept == 0 {
		t.Error("no replacement keeps its name, want that of repositories")
	}
}
