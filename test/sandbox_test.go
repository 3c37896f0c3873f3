package test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	echo "example.com/grpc-edge/services/echo/api"
	reverse "example.com/grpc-edge/services/reverse/api"
	"example.com/grpc-edge/test/chaos"
)

// TestSandbox creates, uses and removes a sandbox. Each step needs the one before.
func TestSandbox(t *testing.T) {
	root, err := filepath.Abs("..")
	if err != nil {
		t.Fatal(err)
	}
	ctx := t.Context()
	c := newCheckout(t)
	before := readMachine(t, c, root)
	c.removeAtEnd(t)
	var greeting string
	runSteps(t, []step{
		{"make up brings everything up", func(t *testing.T) { greeting = c.must(ctx, t, "make", "up") }},
		{"the printed commands work as they are", func(t *testing.T) { pasteCommands(ctx, t, c, greeting) }},
		{"make call, status, logs and kubeconfig work", func(t *testing.T) { everydayCommands(ctx, t, c) }},
		{"both services answer over verified TLS, spread over pods", func(t *testing.T) { callServices(ctx, t, c) }},
		{"both services answer REST", func(t *testing.T) { callREST(ctx, t, c) }},
		{"reflection and health answer for all services", func(t *testing.T) { reflect(ctx, t, c) }},
		{"a stream ends by its deadline with a status", func(t *testing.T) { endStreams(ctx, t, c) }},
		{"strangers are refused", func(t *testing.T) { refuseStrangers(ctx, t, c) }},
		{"preview shows no change", func(t *testing.T) { expectNoChanges(ctx, t, c, "preview") }},
		{"refresh shows no change", func(t *testing.T) { expectNoChanges(ctx, t, c, "refresh", "--yes", "--skip-preview") }},
		{"only what must be is replaced", func(t *testing.T) { replaceOnlyWhatMust(ctx, t, c) }},
		{"make up again changes nothing", func(t *testing.T) { upAgain(ctx, t, c) }},
		{"the state and the logs hold no private key or token", func(t *testing.T) { noSecrets(t, c) }},
		{"what breaks costs no more than promised", func(t *testing.T) { breakThings(ctx, t, c) }},
		{"what changed in the cloud is seen by refresh, and up mends it", func(t *testing.T) { mendCloud(ctx, t, c) }},
		{"a call that fails is told, and the next up goes on", func(t *testing.T) { failOnce(ctx, t, c) }},
		{"a change in echo rolls echo alone", func(t *testing.T) { changeEcho(ctx, t, c) }},
		{"a canary takes its share, and then all", func(t *testing.T) { releaseCanary(ctx, t, c) }},
		{"a stopped and a killed sandbox resume", func(t *testing.T) { resume(ctx, t, c) }},
		{"others sign the certificate, and no call fails", func(t *testing.T) { changeCertificates(ctx, t, c) }},
		{"make down removes everything", func(t *testing.T) { c.must(ctx, t, "make", "down") }},
		{"the machine is as it was", func(t *testing.T) {
			if _, err := os.Stat(filepath.Join(c.dir, ".sandbox")); !os.IsNotExist(err) {
				t.Errorf("the folder .sandbox is left: %v", err)
			}
			before.compare(t, readMachine(t, c, root))
		}},
	})
}

// step is a part of a test. It needs the steps before it.
type step struct {
	name string
	run  func(t *testing.T)
}

func runSteps(t *testing.T, steps []step) {
	t.Helper()
	for _, step := range steps {
		if !t.Run(step.name, step.run) {
			t.FailNow()
		}
	}
}

// pasteCommands runs the commands that `make up` printed, by gRPC and by REST.
func pasteCommands(ctx context.Context, t *testing.T, c checkout, greeting string) {
	pasted := map[string]int{}
	for line := range strings.Lines(greeting) {
		name, _, isCommand := strings.Cut(strings.TrimSpace(line), " ")
		if name = path.Base(name); !isCommand || name != "grpcurl" && name != "curl" {
			continue
		}
		pasted[name]++
		var reply struct{ Content string }
		if err := json.Unmarshal([]byte(c.must(ctx, t, "sh", "-c", strings.TrimSpace(line))), &reply); err != nil || reply.Content == "" {
			t.Errorf("got reply %+v, error %v", reply, err)
		}
	}
	if pasted["grpcurl"] != 2 || pasted["curl"] != 2 {
		t.Errorf("`make up` printed the commands %v, want one of each for a service", pasted)
	}
}

func everydayCommands(ctx context.Context, t *testing.T, c checkout) {
	if got := c.must(ctx, t, "make", "call"); !strings.Contains(got, `{"content":"hello"}`) || !strings.Contains(got, `{"content":"olleh"}`) {
		t.Errorf("make call: got %q", got)
	}
	if got := c.must(ctx, t, "make", "call", "METHOD=api.Reverse/Reverse", `DATA={"content":"noon it's"}`); !strings.Contains(got, `"s'ti noon"`) {
		t.Errorf("make call of one method: got %q", got)
	}
	if got := c.must(ctx, t, "make", "status"); !strings.Contains(got, "service/envoy") || !strings.Contains(got, "198.51.100.") {
		t.Errorf("make status shows no load balancer")
	}
	if got := c.must(ctx, t, "make", "logs"); !strings.Contains(got, "api.Echo") {
		t.Errorf("make logs shows no call of api.Echo")
	}
	if log, err := os.ReadFile(filepath.Join(c.dir, ".sandbox", "log", "sandbox.log")); err != nil || !strings.Contains(string(log), "load balancer backends") {
		t.Errorf("the sandbox's log does not mention the load balancer (%v):\n%s", err, log)
	}
	nodes := c.must(ctx, t, "sh", "-c", `eval "$(make kubeconfig)" && .cache/bin/kubectl get nodes --no-headers`)
	if !strings.Contains(nodes, " Ready ") {
		t.Errorf("kubectl get nodes: got %q", nodes)
	}
}

// edge holds the stack's outputs, which describe how to call the services.
type edge struct {
	Address, Authority, CACertificate string
	Images                            map[string]string
}

func outputs(ctx context.Context, t *testing.T, c checkout) edge {
	t.Helper()
	text, err := c.pulumi(ctx, t, "stack", "output", "--json")
	if err != nil {
		t.Fatal(err)
	}
	var e edge
	if err := json.Unmarshal([]byte(text), &e); err != nil {
		t.Fatal(err)
	}
	return e
}

func (e edge) dial(t *testing.T, transport credentials.TransportCredentials) *grpc.ClientConn {
	t.Helper()
	conn, err := grpc.NewClient("passthrough:///"+e.Address+":443", grpc.WithTransportCredentials(transport), grpc.WithAuthority(e.Authority))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

func (e edge) verified(t *testing.T) credentials.TransportCredentials {
	t.Helper()
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM([]byte(e.CACertificate)) {
		t.Fatal("the output caCertificate holds no certificate")
	}
	return credentials.NewTLS(&tls.Config{RootCAs: pool, ServerName: e.Authority, MinVersion: tls.VersionTLS12})
}

// callsPerService is the number of calls. It is high enough that an even spread over two pods
// can't be luck.
const callsPerService = 100

func callServices(ctx context.Context, t *testing.T, c checkout) {
	e := outputs(ctx, t, c)
	conn := e.dial(t, e.verified(t))
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	services := map[string]func(grpc.CallOption) (got, want string, err error){
		"echo": func(o grpc.CallOption) (string, string, error) {
			r, err := echo.NewEchoClient(conn).Echo(ctx, &echo.EchoRequest{Content: "mañana"}, o)
			return r.GetContent(), "mañana", err
		},
		"reverse": func(o grpc.CallOption) (string, string, error) {
			r, err := reverse.NewReverseClient(conn).Reverse(ctx, &reverse.ReverseRequest{Content: "ab👩‍👩‍👧c"}, o)
			return r.GetContent(), "c👩‍👩‍👧ba", err
		},
	}
	for name, call := range services {
		// Envoy sends a new pod less than its share for ten seconds.
		eventually(ctx, t, 30*time.Second, func() error {
			spread := map[string]int{}
			for range callsPerService {
				var header metadata.MD
				got, want, err := call(grpc.Header(&header))
				if err != nil || got != want {
					t.Fatalf("%s answered %q, %v; want %q", name, got, err, want)
				}
				spread[strings.Join(header.Get("hostname"), ",")]++
			}
			t.Logf("%s: calls of one connection by pod: %v", name, spread)
			counts := slices.Sorted(maps.Values(spread))
			// Each Envoy pod uses round robin, so two pods differ by one call at most.
			if len(counts) != 2 || counts[1]-counts[0] > 2 {
				return fmt.Errorf("%s: %d calls of one connection went %v, want an even spread over 2 pods", name, callsPerService, spread)
			}
			return nil
		})
	}
}

// eventually ends the test unless the check passes within limit.
func eventually(ctx context.Context, t *testing.T, limit time.Duration, check func() error) {
	t.Helper()
	if err := chaos.Eventually(ctx, limit, check); err != nil {
		t.Fatal(err)
	}
}

func refuseStrangers(ctx context.Context, t *testing.T, c checkout) {
	e := outputs(ctx, t, c)
	tests := map[string]struct {
		transport credentials.TransportCredentials
		method    string
		want      codes.Code
	}{
		"a client that does not know the authority": {credentials.NewTLS(&tls.Config{ServerName: e.Authority}), "/api.Echo/Echo", codes.Unavailable},
		"plaintext":          {insecure.NewCredentials(), "/api.Echo/Echo", codes.Unavailable},
		"an unknown service": {e.verified(t), "/api.Nothing/Nothing", codes.Unimplemented},
		"an unknown method":  {e.verified(t), "/api.Echo/Nothing", codes.Unimplemented},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
			defer cancel()
			err := e.dial(t, test.transport).Invoke(ctx, test.method, &echo.EchoRequest{}, &echo.EchoResponse{})
			if status.Code(err) != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

func expectNoChanges(ctx context.Context, t *testing.T, c checkout, command ...string) {
	if _, err := c.pulumi(ctx, t, append(command, "--expect-no-changes", "--diff", "--stack", "sandbox")...); err != nil {
		t.Errorf("%s: %v", command[0], err)
	}
}

func upAgain(ctx context.Context, t *testing.T, c checkout) {
	old := pods(ctx, t, c)
	c.must(ctx, t, "make", "up")
	log, err := os.ReadFile(filepath.Join(c.dir, ".sandbox", "log", "pulumi-up.log"))
	if err != nil {
		t.Fatal(err)
	}
	for _, word := range []string{" created", " updated", " replaced", " deleted"} {
		if strings.Contains(string(log), word) {
			t.Errorf("the second `make up` changed something:\n%s", log)
		}
	}
	if now := pods(ctx, t, c); !slices.Equal(old, now) {
		t.Errorf("pods before: %v\nafter: %v", old, now)
	}
}

// pods returns the sorted names of the stack's pods, without those that are terminating.
func pods(ctx context.Context, t *testing.T, c checkout) []string {
	t.Helper()
	const staying = `{{range .items}}{{if not .metadata.deletionTimestamp}}{{.metadata.name}} {{end}}{{end}}`
	out := c.must(ctx, t, "sh", "-c", `eval "$(make kubeconfig)" && .cache/bin/kubectl get pods --namespace grpc-edge --output go-template='`+staying+`'`)
	return slices.Sorted(strings.FieldsSeq(out))
}

// keyPlaces lists the folders with keys that the sandbox needs for what it emulates: keys of
// Google, of the control plane, and the disks of nodes. A real project does not have them.
var keyPlaces = []string{"credentials", "pki", "clusters", "cloud/keys"}

// noSecrets checks that everything else that a sandbox writes holds no private key or token:
// state, config, logs, the emulated cloud with its images, and the files of CI jobs.
func noSecrets(t *testing.T, c checkout) {
	state, looked := filepath.Join(c.dir, ".sandbox"), 0
	secrets := []string{"PRIVATE KEY", "oauth2accesstoken:", "ya29."}
	for _, file := range []string{"deployer", "passphrase"} {
		secret, err := os.ReadFile(filepath.Join(state, "credentials", file))
		if err != nil || len(secret) < 32 {
			t.Fatalf("reading credentials/%s: %v; adapt this test to where it is", file, err)
		}
		secrets = append(secrets, string(secret))
	}
	for _, root := range []string{state, filepath.Join(c.dir, ".cache", "delivery")} {
		err := filepath.WalkDir(root, func(path string, d os.DirEntry, err error) error {
			if os.IsNotExist(err) {
				return nil // there may be no job, and files come and go
			}
			if place, _ := filepath.Rel(state, path); err == nil && d.IsDir() && slices.Contains(keyPlaces, place) {
				return filepath.SkipDir
			}
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			looked++
			content, err := os.ReadFile(path)
			for _, secret := range secrets {
				if strings.Contains(string(content), secret) {
					t.Errorf("%s holds %.12q… in plain text", path, secret)
				}
			}
			if os.IsNotExist(err) {
				return nil
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if looked < 20 {
		t.Errorf("looked at %d files only: adapt this test to where the state is", looked)
	}
}
