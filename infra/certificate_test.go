package main

import (
	"encoding/base64"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/pulumi/pulumi/sdk/v3/go/pulumi"

	"example.com/grpc-edge/infra/config"
	"example.com/grpc-edge/internal/selfsigned"
)

// withCertManager and withPool configure certificates of the user's issuers.
var (
	withCertManager = variant(config.CertManager)
	withPool        = variant(config.CertificateAuthorityService)
)

// provided returns configuration with a certificate of the user's own, and its key.
func provided(t *testing.T) (changes map[string]string, key string) {
	t.Helper()
	now := time.Now()
	certificate, key, err := selfsigned.New("grpc.example.com", now.Add(-time.Hour), now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return map[string]string{
		"grpc-edge:certificate":       "provided",
		"grpc-edge:certificatePem":    certificate,
		"grpc-edge:certificateKeyPem": key,
	}, key
}

// TestProvidedCertificate checks that with a certificate of the user's own nothing is signed, and
// clients need no authority from the stack.
func TestProvidedCertificate(t *testing.T) {
	changes, _ := provided(t)
	result := mustRun(t, "sandbox", false, changes)
	for _, r := range result.resources {
		if strings.HasPrefix(r.Type, "tls:") {
			t.Errorf("%s %s is made although a certificate is provided", r.Type, r.Name)
		}
	}
	if authority := plain(result.outputs["caCertificate"]); authority != "" {
		t.Errorf("caCertificate = %v, want none", authority)
	}
	command := plain(at(result.outputs, `grpcurl["api.Echo/Echo"]`))
	if want := "grpcurl -authority grpc.example.com "; !strings.HasPrefix(command.(string), want) {
		t.Errorf("grpcurl command = %v, want %s…", command, want)
	}
}

// TestPlaintextKeyIsRefused checks that a private key which is not encrypted is refused before
// anything is created. The SDK can tell a plain value from an encrypted one.
func TestPlaintextKeyIsRefused(t *testing.T) {
	changes, _ := provided(t)
	values := configOf(t, "sandbox")
	maps.Copy(values, changes)
	c := &cloud{preview: true}
	address := c.start(t)
	err := pulumi.RunErr(program, func(info *pulumi.RunInfo) {
		*info = pulumi.RunInfo{
			Project: "grpc-edge", Stack: "sandbox", RootDirectory: repository(t), Config: values, DryRun: true,
			MonitorAddr: address, EngineAddr: address,
		}
	})
	want := "grpc-edge:certificateKeyPem is not encrypted; remove it from the file and use: pulumi config set --secret certificateKeyPem < key.pem"
	if err == nil || !strings.Contains(err.Error(), want) || len(c.resources) > 0 {
		t.Errorf("error = %v and %d resources, want %q and none", err, len(c.resources), want)
	}
}

func TestSelfSignedCertificate(t *testing.T) {
	result := mustRun(t, "sandbox", false, nil)
	check(t, result.ofType(t, "tls:index/certRequest:CertRequest")[0], map[string]any{
		"dnsNames": []any{"grpc.example.com"}, "ipAddresses": []any{"203.0.113.10"},
	})
	check(t, result.ofType(t, "tls:index/locallySignedCert:LocallySignedCert")[0], map[string]any{
		"validityPeriodHours": 2160.0, "earlyRenewalHours": 720.0, "allowedUses": []any{"digital_signature", "server_auth"},
	})
	for _, r := range result.ofType(t, "tls:index/privateKey:PrivateKey") {
		check(t, r, map[string]any{"algorithm": "ECDSA", "ecdsaCurve": "P256"})
	}
}

// TestSeveralNames checks that one certificate covers all names that clients call, whoever
// signs it, and that the commands for people use the first name.
func TestSeveralNames(t *testing.T) {
	names := map[string]string{"grpc-edge:authorities": `["grpc.example.com", "partners.example.com"]`}
	want := []any{"grpc.example.com", "partners.example.com"}
	for kind, changes := range map[string]map[string]string{config.SelfSigned: names, config.CertificateAuthorityService: with(withPool, names)} {
		result := mustRun(t, "sandbox", false, changes)
		check(t, result.ofType(t, "tls:index/certRequest:CertRequest")[0], map[string]any{"dnsNames": want})
		if got := plain(at(result.outputs, `grpcurl["api.Echo/Echo"]`)).(string); !strings.Contains(got, "-authority grpc.example.com ") {
			t.Errorf("%s: the command is %s, want it to call the first name", kind, got)
		}
	}
	issued := mustRun(t, "sandbox", false, with(withCertManager, names)).named(t, "kubernetes:cert-manager.io/v1:Certificate", "certificate-leaf")
	check(t, issued, map[string]any{"spec.dnsNames": want})
}

// TestCertManager checks that the stack only asks cert-manager for the certificate. The key is
// created in the cluster, and Envoy mounts the Secret once the certificate is there.
func TestCertManager(t *testing.T) {
	result := mustRun(t, "sandbox", false, with(withCertManager, map[string]string{
		"grpc-edge:certificateIssuer":      `{"name":"pool","kind":"GoogleCASClusterIssuer","ipAddress":true}`,
		"grpc-edge:certificateWaitSeconds": "90",
	}))
	const kind = "kubernetes:cert-manager.io/v1:Certificate"
	issued := result.named(t, kind, "certificate-leaf")
	check(t, issued, map[string]any{
		`metadata.annotations["pulumi.com/waitFor"]`: "condition=Ready",
		"spec.issuerRef":   map[string]any{"name": "pool", "kind": "GoogleCASClusterIssuer", "group": "cas-issuer.jetstack.io"},
		"spec.dnsNames":    []any{"grpc.example.com"},
		"spec.ipAddresses": []any{"203.0.113.10"},
		"spec.duration":    "2160h",
		"spec.privateKey":  map[string]any{"algorithm": "ECDSA", "size": 256.0, "rotationPolicy": "Always"},
	})
	if issued.UpdateTimeout != "1m30s" {
		t.Errorf("Pulumi waits %s for the certificate, want 1m30s", issued.UpdateTimeout)
	}
	deployment := result.named(t, deploymentType, "edge")
	check(t, deployment, map[string]any{"spec.template.spec.volumes[1].secret.secretName": plain(at(issued.Inputs, "spec.secretName"))})
	if want := kind + " certificate-leaf"; !slices.Contains(deployment.DependsOn, want) {
		t.Errorf("Envoy depends on %v, want %s too", deployment.DependsOn, want)
	}
	for _, r := range result.resources {
		if strings.HasPrefix(r.Type, "tls:") || r.Type == secretType {
			t.Errorf("%s %s is made, although the certificate is cert-manager's", r.Type, r.Name)
		}
	}
	check(t, mustRun(t, "sandbox", false, withCertManager).named(t, kind, "certificate-leaf"), map[string]any{
		"spec.issuerRef": map[string]any{"name": "letsencrypt", "kind": "ClusterIssuer", "group": "cert-manager.io"}, "spec.ipAddresses": nil,
	})
}

// TestCertificateAuthorityService checks that a certificate of a pool is replaced when its clock
// is, which expires at the same time. Clients are sent the chain without the root.
func TestCertificateAuthorityService(t *testing.T) {
	result := mustRun(t, "sandbox", false, with(withPool, map[string]string{"grpc-edge:certificateLifetimeDays": "60"}))
	issued := result.named(t, "gcp:certificateauthority/certificate:Certificate", "certificate-leaf")
	check(t, issued, map[string]any{
		"project": "sandbox-project", "location": "us-central1", "pool": "grpc-edge", "pemCsr": "REQUEST", "lifetime": "5184000s", "name": nil,
	})
	check(t, result.named(t, "tls:index/selfSignedCert:SelfSignedCert", "certificate-clock"), map[string]any{
		"validityPeriodHours": 1440.0, "earlyRenewalHours": 480.0,
	})
	if issued.ReplacementTrigger != "END" {
		t.Errorf("the certificate is replaced with %q, want the end of its clock", issued.ReplacementTrigger)
	}
	secret := at(result.ofType(t, secretType)[0].Inputs, "data").SecretValue().Element.ObjectValue()
	chain, err := base64.StdEncoding.DecodeString(secret["tls.crt"].StringValue())
	if err != nil || string(chain) != "LEAF\nISSUER\n" {
		t.Errorf("clients are sent %q (%v), want the leaf and its issuer", chain, err)
	}
	if authority := plain(result.outputs["caCertificate"]); authority != "ROOT\n" {
		t.Errorf("caCertificate = %q, want the root", authority)
	}
}

// with returns a configuration with changes to it.
func with(config, changes map[string]string) map[string]string {
	config = maps.Clone(config)
	maps.Copy(config, changes)
	return config
}
