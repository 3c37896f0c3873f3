package config

import (
	"encoding/json"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"example.com/grpc-edge/infra/config/configtest"
	"example.com/grpc-edge/services/catalog"
)

// load checks a configuration without an engine, with these keys encrypted.
func load(t *testing.T, values map[string]string, secrets ...string) (*Config, error) {
	t.Helper()
	return loadWith(t, values, nil, secrets...)
}

func loadWith(t *testing.T, values map[string]string, providers map[string][]string, secrets ...string) (*Config, error) {
	t.Helper()
	all, err := json.Marshal(values)
	if err != nil {
		t.Fatal(err)
	}
	r := newReader(func(key string) (string, bool) { value, ok := values[key]; return value, ok },
		func(key string) bool { return slices.Contains(secrets, key) }, string(all))
	r.defaults, r.providers, r.root = configtest.Load(t, "../..", ""), providers, t.TempDir() // without services
	c := r.read()
	return c, r.err()
}

func sandbox(t *testing.T, changes map[string]string) map[string]string {
	t.Helper()
	values := configtest.Load(t, "../..", "sandbox")
	maps.Copy(values, changes)
	return values
}

// TestStacksAreValid checks that the stacks for real projects lack only what their user knows.
func TestStacksAreValid(t *testing.T) {
	t.Parallel()
	for stack, want := range map[string]string{
		"dev": "  grpc-edge:authorizedNetworks holds 203.0.113.0/24, which RFC 5737 reserves for documentation; " +
			"put the addresses from which you run Pulumi",
		"prod": "  grpc-edge:authorizedNetworks holds 203.0.113.0/24, which RFC 5737 reserves for documentation; " +
			"put the addresses from which you run Pulumi",
		"sandbox": "",
	} {
		_, err := load(t, configtest.Load(t, "../..", stack))
		if diff := cmp.Diff(want, message(err)); diff != "" {
			t.Errorf("Pulumi.%s.yaml: error (-want +got):\n%s", stack, diff)
		}
	}
}

func TestValues(t *testing.T) {
	t.Parallel()
	got, err := load(t, sandbox(t, map[string]string{
		"grpc-edge:clusterLocation":  "",
		"grpc-edge:nodeMachineType":  "t2a-standard-2",
		"grpc-edge:nodeArchitecture": "arm64",
		"grpc-edge:otlpEndpoint":     "http://collector.telemetry:4317",
	}))
	if err != nil {
		t.Fatal(err)
	}
	want := &Config{
		Project: "sandbox-project", Region: "us-central1", Authorities: []string{"grpc.example.com"},
		Labels: map[string]string{}, Images: Images{RetentionDays: 30, KeepVersions: 20},
		Network: Network{Nodes: "10.10.0.0/20", Pods: "10.20.0.0/16", Services: "10.30.0.0/20", ControlPlane: "172.16.0.0/28"},
		Cluster: Cluster{
			Location: "us-central1", ReleaseChannel: "REGULAR", AuthorizedNetworks: []string{"127.0.0.1/32"},
			MachineType: "t2a-standard-2", Architecture: "arm64", NodeCount: 1, NodeDiskGB: 50,
			Maintenance: Maintenance{
				Start: time.Date(2026, 1, 3, 2, 0, 0, 0, time.UTC), End: time.Date(2026, 1, 3, 10, 0, 0, 0, time.UTC), Recurrence: "FREQ=WEEKLY;BYDAY=SA,SU",
			},
			Logging: []string{"SYSTEM_COMPONENTS", "WORKLOADS"}, SecurityPosture: true,
		},
		Certificate: Certificate{Kind: SelfSigned, LifetimeDays: 90},
		Delivery:    Delivery{Branch: "main"},
		EnvoyDigest: "sha256:7369b033550a14997e5d698677b7b51f0210a80754f5d084c5caa1a78268267b",
		Termination: 30 * time.Second, EnvoyReplicas: Replicas{2, 0, 500},
		Service: catalog.Spec{
			CPU: "50m", Memory: "64Mi", Replicas: 2, ScaleAtCPUMillicores: 500, MaxCalls: 80,
			MinReadySeconds: 10, TerminationSeconds: 30, StartupSeconds: 120,
		},
		MetricsNamespaces: []string{"gmp-system", "gke-gmp-system"},
		OTLP:              &Collector{Endpoint: "http://collector.telemetry:4317", Host: "collector.telemetry", Namespace: "telemetry", Port: 4317},
	}
	want.Edge, want.Monitoring = got.Edge, got.Monitoring // see TestEdgeValues
	if diff := cmp.Diff(want, got, comparable); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

func TestOneWrongKey(t *testing.T) {
	t.Parallel()
	const arrow = "; it must be "
	const windowForm = `start (a time such as "2026-01-03T02:00:00Z"), hours (4 to 24) and recurrence (such as FREQ=WEEKLY;BYDAY=SA,SU)`
	tests := []struct{ key, value, message string }{
		{"gcp:project", "My Project", arrow + "the ID of a project, such as my-project-1"},
		{"grpc-edge:authorities", "[]", arrow + "a list of DNS names in lower case, such as [grpc.example.com]"},
		{"grpc-edge:authorities", "grpc.example.com", arrow + "a list of DNS names in lower case, such as [grpc.example.com]"},
		{"grpc-edge:authorities", `["localhost"]`, arrow + "a list of DNS names in lower case, such as [grpc.example.com]"},
		{"grpc-edge:authorities", `["grpc.example.com","*.example.com"]`, arrow + "a list of DNS names in lower case, such as [grpc.example.com]"},
		{"grpc-edge:dnsZone", "example.com", arrow + zoneForm},
		{"grpc-edge:dnsZone", "projects/p/managedZones/example-com", arrow + zoneForm},
		{"grpc-edge:dnsZone", "projects/my-project/zones/example-com", arrow + zoneForm},
		{"grpc-edge:deletionProtection", "maybe", arrow + "one of true, false"},
		{"grpc-edge:clusterLocation", "europe-west1-b", arrow + "a zone of us-central1, such as us-central1-a, or empty for the whole region"},
		{"grpc-edge:releaseChannel", "regular", arrow + "one of RAPID, REGULAR, STABLE (did you mean REGULAR?)"},
		{"grpc-edge:authorizedNetworks", "[]", arrow + "a list of at least one IPv4 CIDR block, such as [A.B.C.D/32]"},
		{"grpc-edge:authorizedNetworks", `["203.0.113.7"]`, arrow + "a list of at least one IPv4 CIDR block, such as [A.B.C.D/32]"},
		{"grpc-edge:authorizedNetworks", `["203.0.113.7/24"]`, arrow + "a list of at least one IPv4 CIDR block, such as [A.B.C.D/32]"},
		{"grpc-edge:nodeMachineType", "big", arrow + "a machine type, such as e2-standard-2"},
		{"grpc-edge:nodeArchitecture", "x86", arrow + "one of amd64, arm64"},
		{"grpc-edge:nodeArchitecture", "arm64", arrow + "amd64, the architecture of grpc-edge:nodeMachineType e2-standard-2"},
		{"grpc-edge:nodeCount", "0", arrow + "a whole number from 1 to 1000"},
		{"grpc-edge:nodeCount", "two", arrow + "a whole number from 1 to 1000"},
		{"grpc-edge:nodeDiskGb", "10", arrow + "a whole number from 20 to 65536"},
		{"grpc-edge:nodesCidr", "10.10.0.1/20", arrow + "a private IPv4 CIDR block of size /8 to /29, such as 10.10.0.0/29"},
		{"grpc-edge:nodesCidr", "8.8.8.0/24", arrow + "a private IPv4 CIDR block of size /8 to /29, such as 10.10.0.0/29"},
		{"grpc-edge:podsCidr", "10.10.0.0/16", arrow + "a range that does not overlap grpc-edge:nodesCidr 10.10.0.0/20"},
		{"grpc-edge:servicesCidr", "10.30.0.0/28", arrow + "a private IPv4 CIDR block of size /16 to /27, such as 10.10.0.0/27"},
		{"grpc-edge:controlPlaneCidr", "172.16.0.0/24", arrow + "a private IPv4 CIDR block of size /28, such as 10.10.0.0/28"},
		{"grpc-edge:envoyDigest", "v1.39.1", arrow + "sha256: and 64 hexadecimal digits"},
		{"grpc-edge:envoyReplicas", "-1", arrow + "a whole number from 1 to 100"},
		{"grpc-edge:serviceReplicasMax", "1001", arrow + "a whole number from 0 to 1000"},
		{"grpc-edge:scaleAtCpuMillicores", "500m", arrow + "a whole number from 10 to 64000"},
		{"grpc-edge:serviceReplicas", "1.5", arrow + "a whole number from 1 to 100"},
		{"grpc-edge:serviceMinReadySeconds", "-1", arrow + "a whole number from 0 to 300"},
		{"grpc-edge:serviceMinReadySeconds", "301", arrow + "a whole number from 0 to 300"},
		{"grpc-edge:serviceMaxCalls", "-1", arrow + "a whole number from 0 to 100000"},
		{"grpc-edge:serviceMaxCalls", "100001", arrow + "a whole number from 0 to 100000"},
		{"grpc-edge:serviceMinReadySeconds", "40s", arrow + "a whole number from 0 to 300"},
		{"grpc-edge:metricsNamespaces", `["GMP"]`, arrow + "names of Kubernetes namespaces"},
		{"grpc-edge:metricsNamespaces", `gmp-system`, arrow + "names of Kubernetes namespaces"},
		{"grpc-edge:otlpEndpoint", "https://collector.telemetry:4317", arrow + "http://SERVICE.NAMESPACE:PORT, such as http://collector.telemetry:4317, or empty"},
		{"grpc-edge:otlpEndpoint", "http://collector.telemetry", arrow + "http://SERVICE.NAMESPACE:PORT, such as http://collector.telemetry:4317, or empty"},
		{"grpc-edge:otlpEndpoint", "http://otel.example.com:4317", arrow + "http://SERVICE.NAMESPACE:PORT, such as http://collector.telemetry:4317, or empty"},
		{"grpc-edge:kmsKey", "my-key", arrow + "projects/PROJECT/locations/us-central1/keyRings/RING/cryptoKeys/KEY, in the region of the stack, or empty"},
		{"grpc-edge:kmsKey", "projects/my-p/locations/europe-west1/keyRings/r/cryptoKeys/k", arrow + "projects/PROJECT/locations/us-central1/keyRings/RING/cryptoKeys/KEY, in the region of the stack, or empty"},
		{"grpc-edge:binaryAuthorization", "on", arrow + "one of true, false"},
		{"grpc-edge:signingKey", "my-key", arrow + signingForm},
		{"grpc-edge:signingKey", testSigningKey, arrow + signingForm},
		{"grpc-edge:signingKey", testSigningKey + "/cryptoKeyVersions/0", arrow + signingForm},
		{"grpc-edge:signingKey", testSigningKey + "/cryptoKeyVersions/1", arrow + "empty without grpc-edge:binaryAuthorization"},
		{"grpc-edge:imageRetentionDays", "0", arrow + "a whole number from 1 to 3650"},
		{"grpc-edge:imageKeepVersions", "1", arrow + "a whole number from 2 to 1000"},
		{"grpc-edge:logging", `["WORKLOADS"]`, arrow + "empty, or with SYSTEM_COMPONENTS, without which GKE logs nothing else"},
		{"grpc-edge:logging", `["SYSTEM_COMPONENTS","PODS"]`, arrow + "a list of SYSTEM_COMPONENTS, WORKLOADS, APISERVER, SCHEDULER, CONTROLLER_MANAGER, each once"},
		{"grpc-edge:nodeCountMax", "many", arrow + "a whole number from 0 to 1000"},
		{"grpc-edge:maintenanceWindow", `{"start":"2026-01-03T02:00:00Z","hours":2,"recurrence":"FREQ=DAILY"}`, arrow + windowForm},
		{"grpc-edge:maintenanceWindow", `{"start":"2026-01-03T02:00:00Z","hours":4,"recurrence":"daily"}`, arrow + windowForm},
		{"grpc-edge:maintenanceWindow", `{"hours":4,"recurrence":"FREQ=DAILY"}`, arrow + windowForm},
		{"grpc-edge:clusterMode", "auto", arrow + "one of standard, autopilot"},
		{"grpc-edge:certificate", "acme", arrow + "one of self-signed, provided, cert-manager, certificate-authority-service"},
	}
	for _, test := range tests {
		_, err := load(t, sandbox(t, map[string]string{test.key: test.value}))
		quoted, _ := json.Marshal(test.value)
		want := "  " + test.key + " is " + string(quoted) + test.message
		if got := message(err); got != want {
			t.Errorf("%s = %q:\ngot  %s\nwant %s", test.key, test.value, got, want)
		}
	}
}

const (
	testSigningKey = "projects/my-project/locations/global/keyRings/r/cryptoKeys/k"
	zoneForm       = "the name of a managed zone of Cloud DNS, such as example-com, projects/PROJECT/managedZones/ZONE for one in another project, or empty"
	signingForm    = "projects/PROJECT/locations/LOCATION/keyRings/RING/cryptoKeys/KEY/cryptoKeyVersions/NUMBER, or empty"
)

func TestSigningKey(t *testing.T) {
	t.Parallel()
	c, err := load(t, sandbox(t, map[string]string{"grpc-edge:binaryAuthorization": "true", "grpc-edge:signingKey": testSigningKey + "/cryptoKeyVersions/12"}))
	if err != nil {
		t.Fatal(err)
	}
	if want := (SigningKey{Key: testSigningKey, Version: 12}); c.SigningKey != want || c.SigningKey.Name() != testSigningKey+"/cryptoKeyVersions/12" {
		t.Errorf("the key is %v, want %v", c.SigningKey, want)
	}
}

// TestDNSZone checks a zone of the stack's own project, and one of another.
func TestDNSZone(t *testing.T) {
	t.Parallel()
	for value, want := range map[string]DNSZone{
		"": {}, "example-com": {"sandbox-project", "example-com"}, "projects/dns-project/managedZones/z": {"dns-project", "z"},
	} {
		c, err := load(t, sandbox(t, map[string]string{"grpc-edge:dnsZone": value}))
		if err != nil || c.DNSZone != want {
			t.Errorf("%q: %+v, %v, want %+v", value, c.DNSZone, err, want)
		}
	}
}

// TestWrongTogether checks values that are wrong only together with another key, or inside an item.
func TestWrongTogether(t *testing.T) {
	t.Parallel()
	exclusion := func(name, end, scope string) string {
		return `[{"name":"` + name + `","start":"2026-12-01T00:00:00Z","end":"` + end + `","scope":"` + scope + `"}]`
	}
	const exclusions, labels = "grpc-edge:maintenanceExclusions", "grpc-edge:labels"
	const authorities = "grpc-edge:authorities"
	tests := []struct {
		changes map[string]string
		want    string
	}{
		{map[string]string{"grpc-edge:dnsEndpoint": "true"}, `grpc-edge:authorizedNetworks is "[\"127.0.0.1/32\"]"; it must be empty with grpc-edge:dnsEndpoint`},
		{map[string]string{"grpc-edge:nodeCount": "3", "grpc-edge:nodeCountMax": "2"}, "grpc-edge:nodeCountMax is 2; it must be 0, for always nodeCount nodes, or more than grpc-edge:nodeCount, 3"},
		{map[string]string{"grpc-edge:envoyReplicas": "4", "grpc-edge:envoyReplicasMax": "3"}, "grpc-edge:envoyReplicasMax is 3; it must be 0, for always 4 pods, or more than grpc-edge:envoyReplicas, 4"},
		{map[string]string{"grpc-edge:nodeCountMax": "600"}, "grpc-edge:podsCidr is \"10.20.0.0/16\"; it must be a /14 or larger: 600 nodes"},
		{map[string]string{authorities: `["a.example.com","b.example.com","a.example.com"]`}, authorities + `[2] is "a.example.com", as [0] is; remove one of them`},
		{map[string]string{exclusions: exclusion("Xmas", "2026-12-24T00:00:00Z", "NO_UPGRADES")}, exclusions + `[0].name is "Xmas"; it must be a name in lower case`},
		{map[string]string{exclusions: exclusion("xmas", "2026-11-24T00:00:00Z", "NO_UPGRADES")}, exclusions + `[0] is from "2026-12-01T00:00:00Z" to "2026-11-24T00:00:00Z"; start must be before end`},
		{map[string]string{exclusions: exclusion("xmas", "2026-12-24T00:00:00Z", "ALL")}, exclusions + `[0].scope is "ALL"; it must be one of NO_UPGRADES, NO_MINOR_UPGRADES, NO_MINOR_OR_NODE_UPGRADES`},
		{map[string]string{exclusions: exclusion("xmas", "2027-02-24T00:00:00Z", "NO_UPGRADES")}, exclusions + `[0] is longer than 30 days`},
		{map[string]string{labels: `{"Team":"edge"}`}, labels + ` has "Team": "edge"; a key and its value must be`},
		{map[string]string{labels: `["edge"]`}, labels + ` is ["edge"]; it must be an object`},
	}
	for _, test := range tests {
		_, err := load(t, sandbox(t, test.changes))
		if got := message(err); !strings.HasPrefix(got, "  "+test.want) || strings.Contains(got, "\n") {
			t.Errorf("%v:\ngot  %s\nwant %s", test.changes, got, test.want)
		}
	}
	if _, err := load(t, sandbox(t, map[string]string{"grpc-edge:dnsEndpoint": "true", "grpc-edge:authorizedNetworks": "[]"})); err != nil {
		t.Errorf("the control plane by its name alone: %v", err)
	}
}

// TestAllWrongKeysAtOnce checks that no mistake hides another: types, values, fields within items
// and names of keys are all reported together.
func TestAllWrongKeysAtOnce(t *testing.T) {
	t.Parallel()
	values := sandbox(t, map[string]string{
		"gcp:region":                       "mars",
		"gcp:regoin":                       "us-central1",
		"gcp:userProjectOverride":          "true",
		"gpc:region":                       "us-central1",
		"grpc-edge:authority":              "grpc.example.com",
		"grpc-edg:authorities":             `["grpc.example.com"]`,
		"edge:nodeCount":                   "2",
		"grpc-edge:deletionProtection":     `["true"]`,
		"grpc-edge:envoyDigest":            `{"sha256": "0"}`,
		"grpc-edge:kmsKey":                 `["projects/p"]`,
		"grpc-edge:nodeCount":              "many",
		"grpc-edge:podsCidr":               "everything",
		"grpc-edge:replicas":               "3",
		"grpc-edge:labels":                 `["edge"]`,
		"grpc-edge:jwtIssuers":             `{"name": "main"}`,
		"grpc-edge:webOrigins":             "https://app.example.com",
		"grpc-edge:maintenanceWindow":      `{"start": "Saturday", "hours": "8", "recurence": "FREQ=DAILY"}`,
		"grpc-edge:rules":                  `[{"service": "api.Echo", "clients": ["all"]}, {"servic": "api.Echo", "callsPerSecond": -1}, "api.Echo"]`,
		"other:key":                        "is none of our business",
		"aws:region":                       "us-east-1",
		"pulumi:tags":                      `{"team": "edge"}`,
		"pulumi:disable-default-providers": "[]",
	})
	delete(values, "gcp:project")
	delete(values, "grpc-edge:authorities")
	_, err := loadWith(t, values, map[string][]string{"gcp": {"project", "region", "userProjectOverride"}})
	want := strings.Join([]string{
		`  edge:nodeCount is unknown; did you mean grpc-edge:nodeCount? Rename it in the file of the stack, or remove it`,
		`  gcp:project is missing; set it in the file of the stack, Pulumi.STACK.yaml`,
		`  gcp:region is "mars"; it must be a region, such as us-central1`,
		`  gcp:regoin is unknown; did you mean gcp:region? Rename it in the file of the stack, or remove it`,
		`  gpc:region is unknown; did you mean gcp:region? Rename it in the file of the stack, or remove it`,
		`  grpc-edg:authorities is unknown; did you mean grpc-edge:authorities? Rename it in the file of the stack, or remove it`,
		`  grpc-edge:authorities is missing; set it in the file of the stack, Pulumi.STACK.yaml`,
		`  grpc-edge:authority is unknown; did you mean grpc-edge:authorities? Rename it in the file of the stack, or remove it`,
		`  grpc-edge:deletionProtection is "[\"true\"]"; it must be one of true, false`,
		`  grpc-edge:envoyDigest is "{\"sha256\": \"0\"}"; it must be sha256: and 64 hexadecimal digits`,
		`  grpc-edge:jwtIssuers is {"name":"main"}; it must be a list`,
		`  grpc-edge:kmsKey is "[\"projects/p\"]"; it must be text`,
		`  grpc-edge:labels is ["edge"]; it must be an object`,
		`  grpc-edge:maintenanceWindow.hours is "8"; it must be a whole number`,
		`  grpc-edge:maintenanceWindow.recurence is unknown; did you mean recurrence? there may be start, hours, recurrence`,
		`  grpc-edge:maintenanceWindow.start is "Saturday"; it must be a time such as "2026-01-03T02:00:00Z"`,
		`  grpc-edge:nodeCount is "many"; it must be a whole number from 1 to 1000`,
		`  grpc-edge:podsCidr is "everything"; it must be a private IPv4 CIDR block of size /9 to /23, such as 10.10.0.0/23`,
		`  grpc-edge:replicas is unknown; docs/configuration.md lists the keys. Remove it from the file of the stack`,
		`  grpc-edge:rules[0].clients is ["all"]; it must be a list of CIDR blocks, such as [10.0.0.0/8, 2001:db8::/32]`,
		`  grpc-edge:rules[1].callsPerSecond is -1; it must be a whole number, 0 or more`,
		`  grpc-edge:rules[1].servic is unknown; did you mean service? there may be service, method, authority, issuers, clients, callsPerSecond, burst`,
		`  grpc-edge:rules[2] is "api.Echo"; it must be an object`,
		`  grpc-edge:webOrigins is "https://app.example.com"; it must be origins of web pages, such as [https://app.example.com]`,
	}, "\n")
	if diff := cmp.Diff(want, message(err)); diff != "" {
		t.Errorf("error (-want +got):\n%s", diff)
	}
}

// TestSchemaIsUpToDate checks that the schema that editors read matches what the program reads.
func TestSchemaIsUpToDate(t *testing.T) {
	t.Parallel()
	want, err := StackSchema("../..")
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../docs/stack.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	if string(got) != string(want) {
		t.Error("docs/stack.schema.json is not what the keys are now; run `make configuration`")
	}
}

// TestChecksReportInTheSameRound checks that checks of the caller add their reports to the others.
// A problem that was reported before keeps its message.
func TestChecksReportInTheSameRound(t *testing.T) {
	t.Parallel()
	r := &reader{problems: map[string]string{}}
	r.report("grpc-edge:rules", "[1].clients is wrong")
	var check Check = func(_ *Config, report Report) {
		report("grpc-edge:rules", "[0].service is unknown")
		report("grpc-edge:rules", "[1] is dropped")
		report("grpc-edge:rules", "is dropped")
		report("grpc-edge:rulesOfOthers", "is kept")
	}
	check(nil, r.report)
	const want = "  grpc-edge:rulesOfOthers is kept\n  grpc-edge:rules[0].service is unknown\n  grpc-edge:rules[1].clients is wrong"
	if got := message(r.err()); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
}

// TestDeclaredKeysAreRead checks that every key that Pulumi.yaml declares is read, and the other
// way round.
func TestDeclaredKeysAreRead(t *testing.T) {
	t.Parallel()
	declared := configtest.Load(t, "../..", "")
	r := newReader(func(key string) (string, bool) { value, ok := declared[key]; return value, ok },
		func(string) bool { return false }, "")
	r.read()
	for key := range r.known {
		if _, ok := declared[key]; !ok && !strings.HasPrefix(key, "gcp:") {
			t.Errorf("%s is read, but Pulumi.yaml does not declare it", key)
		}
	}
	for key := range declared {
		if r.known[key] == nil {
			t.Errorf("%s is declared in Pulumi.yaml, but not read", key)
		}
	}
}

func message(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestDockerHub(t *testing.T) {
	t.Parallel()
	const userKey, tokenKey, version = "grpc-edge:dockerHubUser", "grpc-edge:dockerHubTokenSecret", "projects/p/secrets/s/versions/1"
	got, err := load(t, sandbox(t, map[string]string{userKey: "edgebuilder", tokenKey: version}))
	if want := (DockerHub{"edgebuilder", version}); err != nil || got.Images.DockerHub != want {
		t.Errorf("got %+v, %v, want %+v", got, err, want)
	}
	for want, keys := range map[string][2]string{
		userKey + ` is "Edge Builder"; it must be a user of Docker Hub`:                                     {"Edge Builder", version},
		tokenKey + ` is "docker-hub"; it must be projects/PROJECT/secrets/SECRET/versions/NUMBER, or empty`: {"edgebuilder", "docker-hub"},
		tokenKey + " is missing": {"edgebuilder", ""},
		userKey + " is missing":  {"", version},
	} {
		if _, err := load(t, sandbox(t, map[string]string{userKey: keys[0], tokenKey: keys[1]})); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, want %q", keys, err, want)
		}
	}
}

// TestSpotMachinesCutTheirPodsShort checks that there is a warning if the pods of a spot machine
// are given more time to end than the machine has.
func TestSpotMachinesCutTheirPodsShort(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		spot    bool
		seconds int
		want    int // warnings
	}{{true, 30, 0}, {true, 31, 1}, {false, 3600, 0}} {
		r := &reader{}
		r.checkNotice(&Config{Cluster: Cluster{Spot: test.spot}, Termination: time.Duration(test.seconds) * time.Second})
		if len(r.warnings) != test.want {
			t.Errorf("spot %t, %d s: warnings %q, want %d", test.spot, test.seconds, r.warnings, test.want)
		}
	}
}
