package test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"

	echo "example.com/grpc-edge/services/echo/api"
)

// changeCertificates changes the issuer of the certificate while clients call: first to a CA
// pool of Certificate Authority Service, and then to the cluster's cert-manager. Clients must
// be able to verify each certificate that they get.
func changeCertificates(ctx context.Context, t *testing.T, c checkout) {
	e := outputs(ctx, t, c)
	shown := &handshakes{authority: e.Authority, roots: x509.NewCertPool()}
	shown.trust(t, e.CACertificate)
	calls := callOnNewConnections(ctx, e, shown)

	running := pods(ctx, t, c)
	askPool(ctx, t, c, shown)
	if now := pods(ctx, t, c); !slices.Equal(running, now) {
		t.Fatalf("another certificate of Pulumi's own restarts pods: %v, before %v", now, running)
	}
	runCertManager(ctx, t, c)
	refuseIssuer(ctx, t, c)
	askCertManager(ctx, t, c, shown)

	calls.mustNotFail(t)
	shown.mustBeTrusted(t)
	noSecrets(t, c)
}

// askPool gets a certificate from the emulated pool. An update in the last third of its life
// must renew it.
func askPool(ctx context.Context, t *testing.T, c checkout, shown *handshakes) {
	setCertificate(t, c, `certificate-authority-service
  grpc-edge:certificateAuthorityPool: projects/sandbox-project/locations/us-central1/caPools/grpc-edge`)
	old := shown.serial(ctx, t, outputs(ctx, t, c))
	mustUp(ctx, t, c)
	e := outputs(ctx, t, c)
	shown.trust(t, e.CACertificate)
	old = served(ctx, t, c, shown, old)
	expectNoChanges(ctx, t, c, "preview", "--refresh")

	endClock(ctx, t, c)
	changed := previewChanges(ctx, t, c)
	for _, want := range []string{
		"tls:index/selfSignedCert:SelfSignedCert certificate-clock replace",
		"gcp:certificateauthority/certificate:Certificate certificate-leaf replace",
		"kubernetes:core/v1:Secret edge-certificate update",
	} {
		if !slices.Contains(changed, want) {
			t.Fatalf("in the last third of its life the preview would change %q, want %q too", changed, want)
		}
	}
	mustUp(ctx, t, c)
	served(ctx, t, c, shown, old)
	if now := outputs(ctx, t, c); now.CACertificate != e.CACertificate {
		t.Fatal("a renewed certificate has another root")
	}
}

// endClock changes the state as if the certificate expired in a day.
func endClock(ctx context.Context, t *testing.T, c checkout) {
	t.Helper()
	file := filepath.Join(c.dir, ".cache", "state.json")
	if _, err := c.pulumi(ctx, t, "stack", "export", "--stack", "sandbox", "--file", file); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var state map[string]any
	if err := json.Unmarshal(content, &state); err != nil {
		t.Fatal(err)
	}
	found := false
	for _, item := range state["deployment"].(map[string]any)["resources"].([]any) {
		resource := item.(map[string]any)
		if strings.HasSuffix(resource["urn"].(string), "SelfSignedCert::certificate-clock") {
			resource["outputs"].(map[string]any)["validityEndTime"] = time.Now().Add(24 * time.Hour).UTC().Format(time.RFC3339)
			found = true
		}
	}
	if !found {
		t.Fatal("the state has no certificate-clock")
	}
	if content, err = json.Marshal(state); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := c.pulumi(ctx, t, "stack", "import", "--stack", "sandbox", "--file", file); err != nil {
		t.Fatal(err)
	}
}

// company is an issuer that a user may have: a self-signed CA.
const company = `
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {name: root}
spec: {selfSigned: {}}
---
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: company}
spec:
  isCA: true
  commonName: company
  secretName: company
  privateKey: {algorithm: ECDSA, size: 256}
  issuerRef: {name: root, kind: Issuer}
---
apiVersion: cert-manager.io/v1
kind: Issuer
metadata: {name: company}
spec: {ca: {secretName: company}}
`

// runCertManager runs the real cert-manager on the cluster until the test ends. A user would
// install it before the stack needs it.
func runCertManager(ctx context.Context, t *testing.T, c checkout) {
	t.Helper()
	c.must(ctx, t, "make", "--no-print-directory", ".cache/bin/cert-manager")
	source := strings.TrimSpace(c.must(ctx, t, "sh", "-c", "cd tools/cert-manager && GOWORK=off go list -m -f '{{.Dir}}' github.com/cert-manager/cert-manager"))
	kubectl(ctx, t, c, `apply --server-side --filename `+strings.Join([]string{
		source + "/deploy/crds/cert-manager.io_certificates.yaml", source + "/deploy/crds/cert-manager.io_certificaterequests.yaml",
		source + "/deploy/crds/cert-manager.io_issuers.yaml", source + "/deploy/crds/cert-manager.io_clusterissuers.yaml",
	}, " --filename "))
	kubectl(ctx, t, c, "wait --for condition=Established --timeout 30s customresourcedefinition --all")
	log, err := os.Create(filepath.Join(c.dir, ".cache", "cert-manager.log"))
	if err != nil {
		t.Fatal(err)
	}
	running, stop := context.WithCancel(ctx)
	cmd := c.command(running, "sh", "-c", `eval "$(make kubeconfig)" && exec .cache/bin/cert-manager`)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		stop()
		_ = cmd.Wait() // it was killed
		_ = log.Close()
		if text, err := os.ReadFile(log.Name()); t.Failed() && err == nil {
			lines := strings.Split(strings.TrimSpace(string(text)), "\n")
			t.Logf("the end of cert-manager's log:\n%s", strings.Join(lines[max(0, len(lines)-20):], "\n"))
		}
	})
	file := filepath.Join(c.dir, ".cache", "company.yaml")
	if err := os.WriteFile(file, []byte(company), 0o600); err != nil {
		t.Fatal(err)
	}
	kubectl(ctx, t, c, "apply --server-side --filename "+file)
	kubectl(ctx, t, c, "wait --for condition=Ready --timeout 60s certificate/company issuer/company")
}

// refuseIssuer sets an issuer that does not exist. The update must fail with that reason, and
// Envoy must keep its certificate.
func refuseIssuer(ctx context.Context, t *testing.T, c checkout) {
	setCertificate(t, c, `cert-manager
  grpc-edge:certificateIssuer: {name: missing, kind: Issuer}
  grpc-edge:certificateWaitSeconds: 10`)
	running := pods(ctx, t, c)
	out, err := c.run(ctx, t, "sh", "-c", ".cache/bin/sandbox pulumi -- up --yes --skip-preview --suppress-outputs --stack sandbox 2>&1")
	for _, want := range []string{"cert-manager.io/v1:Certificate", "failed to fully initialize or become live: timed out waiting for the condition"} {
		if err == nil || !strings.Contains(out, want) {
			t.Fatalf("an issuer that does not exist: %v, want to be told %q", err, want)
		}
	}
	if now := pods(ctx, t, c); !slices.Equal(running, now) {
		t.Fatalf("Envoy does not wait for its certificate: pods %v, before %v", now, running)
	}
}

// askCertManager gets a certificate from company. cert-manager then renews it, which must
// restart no pod.
func askCertManager(ctx context.Context, t *testing.T, c checkout, shown *handshakes) {
	setCertificate(t, c, `cert-manager
  grpc-edge:certificateIssuer: {name: company, kind: Issuer}`)
	root, err := base64.StdEncoding.DecodeString(kubectl(ctx, t, c, `get secret company --output jsonpath='{.data.ca\.crt}'`))
	if err != nil {
		t.Fatal(err)
	}
	shown.trust(t, string(root))
	old := shown.serial(ctx, t, outputs(ctx, t, c))
	mustUp(ctx, t, c)
	old = served(ctx, t, c, shown, old)
	expectNoChanges(ctx, t, c, "preview")
	if authority := outputs(ctx, t, c).CACertificate; authority != "" {
		t.Fatalf("caCertificate = %q, want none: the issuer's is for the user to know", authority)
	}
	if left := c.must(ctx, t, ".cache/bin/sandbox", "objects"); strings.Contains(left, "privateca") {
		t.Fatalf("the certificate of the pool is not revoked: %s", left)
	}

	running := pods(ctx, t, c)
	// This does what `cmctl renew` does.
	kubectl(ctx, t, c, `patch certificate envoy-issued --subresource status --type json --patch '[{"op": "add", "path": "/status/conditions/-",`+
		` "value": {"type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "message": "test"}}]'`)
	served(ctx, t, c, shown, old)
	if now := pods(ctx, t, c); !slices.Equal(running, now) {
		t.Fatalf("a renewal restarts pods: %v, before %v", now, running)
	}
}

// setCertificate sets the key certificate and the keys that belong to it.
func setCertificate(t *testing.T, c checkout, value string) {
	t.Helper()
	file := filepath.Join(c.dir, "Pulumi.sandbox.yaml")
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	text, _, _ := strings.Cut(string(content), "\n  grpc-edge:certificate:")
	if err := os.WriteFile(file, []byte(strings.TrimRight(text, "\n")+"\n  grpc-edge:certificate: "+value+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
}

func mustUp(ctx context.Context, t *testing.T, c checkout) {
	t.Helper()
	if _, err := c.pulumi(ctx, t, "up", "--yes", "--skip-preview", "--suppress-outputs", "--stack", "sandbox"); err != nil {
		t.Fatal(err)
	}
}

// served waits until each Envoy serves a certificate with another serial number than old.
// It returns the new serial number.
func served(ctx context.Context, t *testing.T, c checkout, shown *handshakes, old string) (now string) {
	t.Helper()
	e, begun := outputs(ctx, t, c), time.Now()
	eventually(ctx, t, 2*time.Minute, func() error {
		// Kubelet syncs a changed pod at once, and others every minute (Kubernetes,
		// "ConfigMaps", mounted ConfigMaps are updated automatically).
		kubectl(ctx, t, c, fmt.Sprintf("annotate pods --selector app.kubernetes.io/name=envoy --overwrite looked=%d", time.Now().UnixNano()))
		for range 20 { // two pods, by chance
			if now = shown.serial(ctx, t, e); now == old {
				return fmt.Errorf("the certificate %s is still served", old)
			}
		}
		return nil
	})
	t.Logf("served after %.1f s", time.Since(begun).Seconds())
	return now
}

// handshakes records the certificates that clients get. A test knows a new authority only
// after the update, so all certificates are verified at the end.
type handshakes struct {
	authority string // the name that clients call
	mu        sync.Mutex
	chains    [][]*x509.Certificate
	roots     *x509.CertPool
}

func (h *handshakes) trust(t *testing.T, authority string) {
	t.Helper()
	if !h.roots.AppendCertsFromPEM([]byte(authority)) {
		t.Fatalf("%q is no certificate", authority)
	}
}

func (h *handshakes) config() *tls.Config {
	return &tls.Config{
		ServerName: h.authority, MinVersion: tls.VersionTLS12, NextProtos: []string{"h2"}, InsecureSkipVerify: true,
		VerifyConnection: func(state tls.ConnectionState) error {
			h.mu.Lock()
			defer h.mu.Unlock()
			h.chains = append(h.chains, state.PeerCertificates)
			return nil
		},
	}
}

// serial returns the serial number of the certificate that a new connection gets.
func (h *handshakes) serial(ctx context.Context, t *testing.T, e edge) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	connection, err := (&tls.Dialer{Config: h.config()}).DialContext(ctx, "tcp", e.Address+":443")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = connection.Close() }()
	return connection.(*tls.Conn).ConnectionState().PeerCertificates[0].SerialNumber.String()
}

func (h *handshakes) mustBeTrusted(t *testing.T) {
	t.Helper()
	h.mu.Lock()
	defer h.mu.Unlock()
	seen := map[string]bool{}
	for _, chain := range h.chains {
		issuers := x509.NewCertPool()
		for _, issuer := range chain[1:] {
			issuers.AddCert(issuer)
		}
		if _, err := chain[0].Verify(x509.VerifyOptions{Roots: h.roots, Intermediates: issuers, DNSName: h.authority}); err != nil {
			t.Fatalf("a client was shown a certificate that it cannot verify: %v", err)
		}
		seen[chain[0].SerialNumber.String()] = true
	}
	// One is the stack's own, two are from the pool, and two from cert-manager.
	if len(seen) != 5 {
		t.Fatalf("clients were shown %d certificates, want 5", len(seen))
	}
	t.Logf("%d handshakes with %d certificates", len(h.chains), len(seen))
}

// callOnNewConnections calls echo over and over, each time on a new connection.
func callOnNewConnections(ctx context.Context, e edge, shown *handshakes) *background {
	return repeat(ctx, func(ctx context.Context) error {
		conn, err := grpc.NewClient("passthrough:///"+e.Address+":443",
			grpc.WithTransportCredentials(credentials.NewTLS(shown.config())), grpc.WithAuthority(e.Authority))
		if err != nil {
			return err
		}
		defer func() { _ = conn.Close() }()
		_, err = echo.NewEchoClient(conn).Echo(ctx, &echo.EchoRequest{Content: "x"})
		return err
	})
}
