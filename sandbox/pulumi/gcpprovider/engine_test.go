package gcpprovider

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/structpb"

	"example.com/grpc-edge/sandbox/gcp"
	"example.com/grpc-edge/sandbox/gcp/apis"
	"example.com/grpc-edge/sandbox/gcp/container"
	"example.com/grpc-edge/sandbox/gcp/gcptest"
)

// noRuntime starts nothing and says that all is well. If begun is set, StartCluster closes it and
// then waits for end.
type noRuntime struct{ begun, end chan struct{} }

func (r noRuntime) StartCluster(context.Context, container.ClusterSpec) (container.ClusterStatus, error) {
	if r.begun != nil {
		close(r.begun)
		<-r.end
	}
	return container.ClusterStatus{Endpoint: netip.MustParseAddr("203.0.113.2"), CACertificate: []byte("PEM"), Version: "1.35.4-gke.1"}, nil
}
func (noRuntime) StopCluster(context.Context, string) error                { return nil }
func (noRuntime) StartNodes(context.Context, container.NodePoolSpec) error { return nil }
func (noRuntime) StopNodes(context.Context, string, string) error          { return nil }

// engine talks to the provider as Pulumi's engine does.
type engine struct {
	t      *testing.T
	dir    string // of the cloud
	waits  []time.Duration
	cloud  *gcp.Cloud
	client pulumirpc.ResourceProviderClient
	dial   func() pulumirpc.ResourceProviderClient
}

func newEngine(t *testing.T, rt container.Runtime) *engine {
	t.Helper()
	dir := t.TempDir()
	cloud, err := gcp.Open(dir, apis.All(rt), gcp.WithOperationTime(0))
	if err != nil {
		t.Fatal(err)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := grpc.NewServer()
	e := &engine{t: t, dir: dir, cloud: cloud}
	served := New(cloud).(*provider)
	served.wait = func(_ context.Context, d time.Duration) error { e.waits = append(e.waits, d); return nil }
	pulumirpc.RegisterResourceProviderServer(server, served)
	go func() { _ = server.Serve(listener) }()
	t.Cleanup(server.Stop)
	e.dial = func() pulumirpc.ResourceProviderClient {
		conn, err := grpc.NewClient(listener.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { conn.Close() })
		return pulumirpc.NewResourceProviderClient(conn)
	}
	e.client = e.dial()
	e.configure(e.client, props{"project": "test-project", "region": "us-central1"})
	for _, api := range []string{"compute", "container", "iam", "cloudresourcemanager", "artifactregistry", "monitoring", "cloudkms", "binaryauthorization", "containeranalysis", "cloudbuild", "privateca", "secretmanager"} {
		e.create("gcp:projects/service:Service", props{"service": api + ".googleapis.com"})
	}
	return e
}

type props = map[string]any

const (
	defaultAccount = gcptest.Member
	noteType       = "gcp:containeranalysis/note:Note"
	occurrenceType = "gcp:containeranalysis/occurence:Occurence" // as Pulumi spells it
	attestorType   = "gcp:binaryauthorization/attestor:Attestor"
)

func (e *engine) configure(client pulumirpc.ResourceProviderClient, config props) {
	e.t.Helper()
	response, err := client.Configure(context.Background(), &pulumirpc.ConfigureRequest{Args: e.encode(resource.NewPropertyMapFromMap(config))})
	if err != nil || !response.AcceptSecrets || !response.AcceptResources || !response.AcceptOutputs || !response.SupportsPreview {
		e.t.Fatalf("Configure = %v, %v, want all capabilities", response, err)
	}
}

func (e *engine) encode(m resource.PropertyMap) *structpb.Struct {
	e.t.Helper()
	s, err := encode(m)
	if err != nil {
		e.t.Fatal(err)
	}
	return s
}

func (e *engine) decode(s *structpb.Struct) resource.PropertyMap {
	e.t.Helper()
	m, err := decode(s)
	if err != nil {
		e.t.Fatal(err)
	}
	return m
}

func urn(token string) string { return "urn:pulumi:dev::grpc-edge::" + token + "::Edge" }

// state is a resource in the engine's state file.
type state struct {
	token, id       string
	inputs, outputs resource.PropertyMap
}

func (e *engine) check(token string, olds resource.PropertyMap, news resource.PropertyMap) (resource.PropertyMap, []*pulumirpc.CheckFailure) {
	e.t.Helper()
	response, err := e.client.Check(context.Background(), &pulumirpc.CheckRequest{
		Urn: urn(token), Olds: e.encode(olds), News: e.encode(news), RandomSeed: []byte(strings.Repeat("s", 32)),
	})
	if err != nil {
		e.t.Fatal(err)
	}
	return e.decode(response.Inputs), response.Failures
}

func (e *engine) create(token string, inputs props) state {
	e.t.Helper()
	s, err := e.tryCreate(token, inputs)
	if err != nil {
		e.t.Fatal(err)
	}
	return s
}

func (e *engine) tryCreate(token string, inputs props) (state, error) {
	e.t.Helper()
	checked, failures := e.check(token, nil, resource.NewPropertyMapFromMap(inputs))
	if len(failures) > 0 {
		e.t.Fatalf("Check(%s) = %v, want no failures", token, failures)
	}
	response, err := e.client.Create(context.Background(), &pulumirpc.CreateRequest{Urn: urn(token), Properties: e.encode(checked)})
	if err != nil {
		return state{}, err
	}
	return state{token, response.Id, checked, e.decode(response.Properties)}, nil
}

// diff returns what the engine would do if the program gave other inputs.
func (e *engine) diff(s state, news props) (*pulumirpc.DiffResponse, resource.PropertyMap) {
	e.t.Helper()
	checked, failures := e.check(s.token, s.inputs, resource.NewPropertyMapFromMap(news))
	if len(failures) > 0 {
		e.t.Fatalf("Check(%s) = %v, want no failures", s.token, failures)
	}
	response, err := e.client.Diff(context.Background(), &pulumirpc.DiffRequest{
		Urn: urn(s.token), Id: s.id, Olds: e.encode(s.outputs), OldInputs: e.encode(s.inputs), News: e.encode(checked),
	})
	if err != nil {
		e.t.Fatal(err)
	}
	return response, checked
}

func (e *engine) read(s state) state {
	e.t.Helper()
	response, err := e.client.Read(context.Background(), &pulumirpc.ReadRequest{
		Urn: urn(s.token), Id: s.id, Properties: e.encode(s.outputs), Inputs: e.encode(s.inputs),
	})
	if err != nil {
		e.t.Fatal(err)
	}
	return state{s.token, response.Id, e.decode(response.Inputs), e.decode(response.Properties)}
}

func (e *engine) delete(s state) error {
	_, err := e.client.Delete(context.Background(), &pulumirpc.DeleteRequest{Urn: urn(s.token), Id: s.id, Properties: e.encode(s.outputs)})
	return err
}

const (
	networkType      = "gcp:compute/network:Network"
	subnetworkType   = "gcp:compute/subnetwork:Subnetwork"
	repositoryType   = "gcp:artifactregistry/repository:Repository"
	accountType      = "gcp:serviceaccount/account:Account"
	poolType         = "gcp:iam/workloadIdentityPool:WorkloadIdentityPool"
	providerType     = "gcp:iam/workloadIdentityPoolProvider:WorkloadIdentityPoolProvider"
	bucketMemberType = "gcp:storage/bucketIAMMember:BucketIAMMember"
	secretMemberType = "gcp:secretmanager/secretIamMember:SecretIamMember"
	triggerType      = "gcp:cloudbuild/trigger:Trigger"
	clusterToken     = "gcp:container/cluster:Cluster"
	poolToken        = "gcp:container/nodePool:NodePool"
	dashboardToken   = "gcp:monitoring/dashboard:Dashboard"
	customRoleType   = "gcp:projects/iAMCustomRole:IAMCustomRole"
	certificateType  = "gcp:certificateauthority/certificate:Certificate"
	policyToken      = "gcp:monitoring/alertPolicy:AlertPolicy"
)

// dashboardJSON differs from what the API writes: its fields have no order, and lack defaults.
const dashboardJSON = `{
  "mosaicLayout": {"tiles": [{"width": 24, "height": 16, "widget": {"title": "T", "text": {"content": "Hello"}}}], "columns": 48},
  "displayName": "Edge"
}`

// certificateRequest returns a certificate request that names nobody.
var certificateRequest = sync.OnceValue(func() string {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err)
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{}, key)
	if err != nil {
		panic(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request}))
})

// program returns the resources that a program registers, one of each type, in order.
func program() []struct {
	token, id string
	inputs    props
} {
	const network, subnet = "projects/test-project/global/networks/net", "projects/test-project/regions/us-central1/subnetworks/sub"
	const account = "nodes-account@test-project.iam.gserviceaccount.com"
	const location = "projects/test-project/locations/us-central1/"
	const key = location + "keyRings/ring/cryptoKeys/key"
	const pool = "projects/test-project/locations/global/workloadIdentityPools/grpc-edge-dev"
	return []struct {
		token, id string
		inputs    props
	}{
		{"gcp:projects/service:Service", "test-project/dns.googleapis.com", props{"service": "dns.googleapis.com", "disableOnDestroy": true}},
		{networkType, network, props{"name": "net", "autoCreateSubnetworks": false}},
		{subnetworkType, subnet, props{"name": "sub", "network": "https://www.googleapis.com/compute/v1/" + network, "ipCidrRange": "10.0.0.0/20",
			"privateIpGoogleAccess": true, "secondaryIpRanges": []any{props{"rangeName": "pods", "ipCidrRange": "10.4.0.0/14"},
				props{"rangeName": "services", "ipCidrRange": "10.8.0.0/20"}}}},
		{"gcp:compute/address:Address", "projects/test-project/regions/us-central1/addresses/ip", props{"name": "ip", "labels": props{"app": "edge"}}},
		{"gcp:compute/router:Router", "projects/test-project/regions/us-central1/routers/r", props{"name": "r", "network": network}},
		{"gcp:compute/routerNat:RouterNat", "test-project/us-central1/r/nat", props{"name": "nat", "router": "r",
			"natIpAllocateOption": "AUTO_ONLY", "sourceSubnetworkIpRangesToNat": "LIST_OF_SUBNETWORKS",
			"subnetworks": []any{props{"name": subnet, "sourceIpRangesToNats": []any{"PRIMARY_IP_RANGE", "LIST_OF_SECONDARY_IP_RANGES"}}}}},
		{accountType, "projects/test-project/serviceAccounts/" + account, props{"accountId": "nodes-account", "displayName": "Nodes"}},
		{"gcp:projects/iAMCustomRole:IAMCustomRole", "projects/test-project/roles/deployer", props{"roleId": "deployer", "title": "Deployer",
			"permissions": []any{"compute.networks.get"}}},
		{"gcp:projects/iAMMember:IAMMember", "test-project/roles/logging.logWriter/serviceAccount:" + account,
			props{"project": "test-project", "role": "roles/logging.logWriter", "member": "serviceAccount:" + account}},
		{"gcp:serviceaccount/iAMMember:IAMMember", "projects/test-project/serviceAccounts/" + account + "/roles/iam.serviceAccountUser/" + defaultAccount,
			props{"serviceAccountId": "projects/test-project/serviceAccounts/" + account, "role": "roles/iam.serviceAccountUser", "member": defaultAccount}},
		{repositoryType, location + "repositories/images", props{"repositoryId": "images", "format": "DOCKER", "location": "us-central1"}},
		{"gcp:artifactregistry/repositoryIamMember:RepositoryIamMember",
			location + "repositories/images/roles/artifactregistry.reader/serviceAccount:" + account,
			props{"repository": "images", "location": "us-central1", "role": "roles/artifactregistry.reader", "member": "serviceAccount:" + account}},
		{clusterToken, location + "clusters/gke", props{"name": "gke", "location": "us-central1", "network": network, "subnetwork": subnet,
			"initialNodeCount": 1, "removeDefaultNodePool": true, "deletionProtection": false,
			"ipAllocationPolicy":             props{"clusterSecondaryRangeName": "pods", "servicesSecondaryRangeName": "services"},
			"privateClusterConfig":           props{"enablePrivateNodes": true, "masterIpv4CidrBlock": "172.16.0.0/28"},
			"masterAuth":                     props{"clientCertificateConfig": props{"issueClientCertificate": false}},
			"masterAuthorizedNetworksConfig": props{"cidrBlocks": []any{props{"cidrBlock": "10.0.0.0/8"}, props{"cidrBlock": "192.0.2.0/24"}}},
			"resourceLabels":                 props{"app": "edge"}}},
		{poolToken, location + "clusters/gke/nodePools/pool", props{"name": "pool", "cluster": location + "clusters/gke",
			"nodeCount": 1, "nodeConfig": props{"machineType": "e2-medium", "serviceAccount": account, "spot": true}}},
		{"gcp:projects/serviceIdentity:ServiceIdentity", "projects/test-project/services/container.googleapis.com", props{"service": "container.googleapis.com"}},
		{"gcp:kms/cryptoKeyIAMMember:CryptoKeyIAMMember", key + "/roles/cloudkms.cryptoKeyEncrypterDecrypter/serviceAccount:" + account,
			props{"cryptoKeyId": key, "role": "roles/cloudkms.cryptoKeyEncrypterDecrypter", "member": "serviceAccount:" + account}},
		{noteType, "projects/test-project/notes/edge", props{"name": "edge", "attestationAuthority": props{"hint": props{"humanReadableName": "Edge"}}}},
		{occurrenceType, "projects/test-project/occurrences/*-*-*-*-*", props{"noteName": "projects/test-project/notes/edge",
			"resourceUri": "https://us-central1-docker.pkg.dev/test-project/images/echo@sha256:0", "attestation": props{"serializedPayload": "e30=",
				"signatures": []any{props{"publicKeyId": "//cloudkms.googleapis.com/v1/" + key + "/cryptoKeyVersions/1", "signature": "AA=="}}}}},
		{attestorType, "projects/test-project/attestors/edge", props{"name": "edge", "attestationAuthorityNote": props{
			"noteReference": "projects/test-project/notes/edge"}}},
		{"gcp:binaryauthorization/policy:Policy", "projects/test-project", props{"globalPolicyEvaluationMode": "ENABLE",
			"admissionWhitelistPatterns": []any{props{"namePattern": "us-central1-docker.pkg.dev/test-project/images/**"}},
			"defaultAdmissionRule":       props{"evaluationMode": "ALWAYS_DENY", "enforcementMode": "ENFORCED_BLOCK_AND_AUDIT_LOG"}}},
		{certificateType, location + "caPools/grpc-edge/certificates/leaf", props{"name": "leaf", "pool": "grpc-edge", "location": "us-central1",
			"lifetime": "7776000s", "pemCsr": certificateRequest(), "labels": props{"app": "edge"}}},
		{"gcp:dns/managedZone:ManagedZone", "projects/test-project/managedZones/googleapis", props{
			"name": "googleapis", "dnsName": "googleapis.com.", "visibility": "private", "description": "Google's APIs",
			"privateVisibilityConfig": props{"networks": []any{props{"networkUrl": network}}}}},
		{"gcp:dns/recordSet:RecordSet", "projects/test-project/managedZones/example-com/rrsets/grpc.example.com./A", props{
			"managedZone": "example-com", "name": "grpc.example.com.", "type": "A", "ttl": 300, "rrdatas": []any{"203.0.113.10"}}},
		{poolType, pool, props{"workloadIdentityPoolId": "grpc-edge-dev", "description": "CI"}},
		{providerType, pool + "/providers/github", props{"workloadIdentityPoolId": "grpc-edge-dev", "workloadIdentityPoolProviderId": "github",
			"oidc":               props{"issuerUri": "https://token.actions.githubusercontent.com"},
			"attributeMapping":   props{"google.subject": "assertion.sub", "attribute.repository": "assertion.repository"},
			"attributeCondition": "assertion.repository == 'o/r'"}},
		{bucketMemberType, "b/test-project-pulumi-state/roles/storage.objectViewer/serviceAccount:" + account,
			props{"bucket": "test-project-pulumi-state", "role": "roles/storage.objectViewer", "member": "serviceAccount:" + account}},
		{secretMemberType, "projects/test-project/secrets/github-token/roles/secretmanager.secretAccessor/serviceAccount:" + account,
			props{"secretId": "github-token", "role": "roles/secretmanager.secretAccessor", "member": "serviceAccount:" + account}},
		{triggerType, location + "triggers/*-*-*-*-*", props{"name": "preview", "location": "us-central1", "filename": "cloudbuild.yaml",
			"serviceAccount": "projects/test-project/serviceAccounts/" + account, "substitutions": props{"_STACK": "dev"},
			"repositoryEventConfig": props{"repository": location + "connections/github/repositories/r", "pullRequest": props{"branch": "^main$"}}}},
		{dashboardToken, "projects/" + gcp.ProjectNumber("test-project") + "/dashboards/*-*-*-*-*", props{"dashboardJson": dashboardJSON}},
		{"gcp:monitoring/notificationChannel:NotificationChannel", "projects/test-project/notificationChannels/*",
			props{"type": "email", "displayName": "On call", "labels": props{"email_address": "oncall@example.com"}}},
		{policyToken, "projects/test-project/alertPolicies/*", props{"displayName": "Errors", "combiner": "OR",
			"documentation": props{"content": "Look at the access log."}, "userLabels": props{"app": "edge"}, "severity": "CRITICAL",
			"conditions": []any{props{"displayName": "Error ratio", "conditionPrometheusQueryLanguage": props{
				"query": "rate(errors_total[5m]) > 1", "duration": "0s", "evaluationInterval": "60s", "disableMetricValidation": true}}}}},
	}
}
