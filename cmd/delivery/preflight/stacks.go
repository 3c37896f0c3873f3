package preflight

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"maps"
	"math/big"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"sigs.k8s.io/yaml"

	"example.com/grpc-edge/cmd/delivery/environment"
)

// Stack describes a stack to preview.
type Stack struct {
	Name string
	// Config holds its keys, with their prefix, and values.
	Config map[string]any
}

// program is the prefix of the program's keys.
const program = "grpc-edge:"

// Stacks returns the stacks of the repository, and those of infra/variants.yaml. Each of
// the latter is the sandbox's stack with other keys.
func Stacks(root string) ([]Stack, error) {
	environments, err := environment.Stacks(root)
	if err != nil {
		return nil, err
	}
	var stacks []Stack
	var sandbox map[string]any
	for _, e := range environments {
		stacks = append(stacks, Stack{e.Stack, e.Config})
		if e.Stack == "sandbox" {
			sandbox = e.Config
		}
	}
	variants := map[string]map[string]any{}
	if err := environment.ReadYAML(filepath.Join(root, "infra", "variants.yaml"), &variants); err != nil {
		return nil, err
	}
	for _, name := range slices.Sorted(maps.Keys(variants)) {
		config := maps.Clone(sandbox)
		for key, value := range variants[name] {
			config[program+key] = value
		}
		stacks = append(stacks, Stack{name, config})
	}
	return stacks, nil
}

// documentation lists ranges for documentation (RFC 5737), which the program refuses until a
// user replaces them. benchmark is a range that the program accepts (RFC 2544).
var documentation = []string{"192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"}

const benchmark = "198.18.0.0/24"

// file returns the content of the stack's file: its keys without secrets, and the settings
// that let the provider run without Google.
func (s Stack) file(google string) ([]byte, error) {
	config := maps.Clone(s.Config)
	for key := range s.secrets() {
		delete(config, key)
	}
	certificate := provided()
	for key, value := range config {
		if value == placeholder {
			config[key] = certificate.chain
		}
	}
	if networks, _ := config[program+"authorizedNetworks"].([]any); len(networks) > 0 && slices.Contains(documentation, fmt.Sprint(networks[0])) {
		config[program+"authorizedNetworks"] = []any{benchmark}
	}
	maps.Copy(config, map[string]any{
		"gcp:skipRegionValidation":          true,
		"gcp:resourceManagerCustomEndpoint": google + "/resourcemanager/v1/",
		"gcp:cloudBillingCustomEndpoint":    google + "/billing/v1/",
		"gcp:kmsCustomEndpoint":             google + "/kms/v1/",
		"gcp:dnsCustomEndpoint":             google + "/dns/v1/",
	})
	return yaml.Marshal(map[string]any{"config": config})
}

// placeholder stands for a certificate in infra/variants.yaml, and for its key.
const placeholder = "PROVIDED"

// secrets returns the keys that are set encrypted.
func (s Stack) secrets() map[string]string {
	key := program + "certificateKeyPem"
	if s.Config[key] != placeholder {
		return nil
	}
	return map[string]string{key: provided().key}
}

// pair holds a certificate and its key, in PEM.
type pair struct{ chain, key string }

var made *pair

// provided returns a certificate for grpc.example.com that is valid for an hour.
func provided() pair {
	if made != nil {
		return *made
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		panic(err) // the system has no random numbers
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "grpc.example.com"}, DNSNames: []string{"grpc.example.com"},
		IsCA: true, BasicConstraintsValid: true, // it serves as an authority of clients as well
		NotBefore: now.Add(-time.Minute), NotAfter: now.Add(time.Hour),
	}
	chain, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		panic(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		panic(err)
	}
	encoded := func(kind string, bytes []byte) string {
		return strings.TrimSpace(string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: bytes}))) + "\n"
	}
	made = &pair{encoded("CERTIFICATE", chain), encoded("PRIVATE KEY", der)}
	return *made
}
