package main

import (
	"bytes"
	"maps"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	"gopkg.in/yaml.v3"
	"gotest.tools/v3/golden"

	"example.com/grpc-edge/infra/config"
	"example.com/grpc-edge/infra/config/configtest"
	"example.com/grpc-edge/infra/config/declared"
)

// TestGolden compares everything that a stack registers, and the functions that it calls, with testdata, so that a review
// sees how a change affects the cloud. A word replaces what other tests check, and what
// changes with every line of a service or of Envoy's configuration.
func TestGolden(t *testing.T) {
	sandbox := mustRun(t, "sandbox", false, nil)
	for _, stack := range []string{"dev", "prod", "sandbox", "delivery", "delivery-by-number", "autopilot", config.CertManager, config.CertificateAuthorityService, "dns", "dual-stack", "everything"} {
		result := sandbox
		switch stack {
		case "sandbox":
		// What its keys add to a stack.
		case "delivery":
			result = delivered(t)
		case "delivery-by-number":
			result = added(t, sandbox, variant(stack))
		case config.CertManager:
			result = added(t, sandbox, withCertManager)
		case config.CertificateAuthorityService:
			result = added(t, sandbox, withPool)
		case "dns":
			result = added(t, sandbox, withZone)
		case "dual-stack":
			result = changed(mustRun(t, "sandbox", false, variant(stack)), sandbox)
		case "everything": // what the keys that no other list has change
			result = changed(mustRun(t, "sandbox", false, everything(t)), sandbox)
		case "autopilot": // what it changes
			result = inAutopilot(t)
		default:
			result = mustRun(t, stack, false, nil)
		}
		var list []map[string]any
		for _, r := range result.resources {
			list = append(list, describe(r))
		}
		for _, function := range result.functions {
			list = append(list, map[string]any{"function": function})
		}
		var buffer bytes.Buffer
		encoder := yaml.NewEncoder(&buffer)
		encoder.SetIndent(2)
		if err := encoder.Encode(list); err != nil {
			t.Fatal(err)
		}
		golden.Assert(t, stable(result, buffer.String()), stack+".yaml")
	}
}

// variants returns the keys of the stacks in variants.yaml.
func variants() map[string]map[string]any {
	text, err := os.ReadFile("variants.yaml")
	if err != nil {
		panic(err) // it is beside this file
	}
	var variants map[string]map[string]any
	if err := yaml.Unmarshal(text, &variants); err != nil {
		panic(err)
	}
	return variants
}

// variant returns the keys of a stack in variants.yaml, as the Pulumi CLI passes them to
// the program.
func variant(name string) map[string]string {
	keys := map[string]string{}
	for key, value := range variants()[name] {
		var err error
		if keys["grpc-edge:"+key], err = declared.Text(value); err != nil {
			panic(err)
		}
	}
	return keys
}

// everything returns the keys that no other golden list has.
func everything(t *testing.T) map[string]string {
	t.Helper()
	keys := variant("everything")
	own, _ := provided(t) // its certificate serves as an authority of clients as well
	for key, value := range own {
		keys[key] = value
	}
	keys["grpc-edge:clientCaPem"] = own["grpc-edge:certificatePem"]
	return keys
}

// changed returns what differs from another run.
func changed(result, before stackRun) stackRun {
	result.resources = slices.DeleteFunc(result.resources, func(r registered) bool {
		return slices.ContainsFunc(before.resources, func(other registered) bool {
			return reflect.DeepEqual(describe(other), describe(r))
		})
	})
	return result
}

// describe returns the fields of a resource that are set.
func describe(r registered) map[string]any {
	description := map[string]any{"resource": r.Type + " " + r.Name, "parent": r.Parent}
	for name, value := range map[string]string{"provider": r.Provider, "ignoreChanges": strings.Join(r.IgnoreChanges, ", "), "replacementTrigger": r.ReplacementTrigger} {
		if value != "" {
			description[name] = value
		}
	}
	for name, set := range map[string]bool{"protect": r.Protect, "deleteBeforeReplace": r.DeleteBeforeReplace, "retainOnDelete": r.Retained} {
		if set {
			description[name] = true
		}
	}
	if r.Type == "grpc-edge:protection:Protection" {
		description["dependsOn"] = "(everything)" // see TestDeletionProtection
	} else if len(r.DependsOn) > 0 {
		description["dependsOn"] = r.DependsOn
	}
	if !r.component {
		description["inputs"] = plain(resource.NewObjectProperty(r.Inputs))
	}
	if r.Type == roleKind {
		description["inputs"].(map[string]any)["permissions"] = "(see roles)"
	}
	if r.Type == attestationType {
		description["inputs"].(map[string]any)["attestation"] = "(see TestAttestation)"
	}
	if r.Type == attestorType {
		description["inputs"].(map[string]any)["attestationAuthorityNote"].(map[string]any)["publicKeys"] = "(see TestAttestation)"
	}
	if r.Type == configMapType {
		inputs := description["inputs"].(map[string]any)
		for _, content := range []string{"data", "binaryData"} {
			if inputs[content] != nil {
				inputs[content] = "(files)"
			}
		}
	}
	return description
}

// plain converts a value to types that YAML has. It replaces a secret by a word.
func plain(value resource.PropertyValue) any {
	switch {
	case value.IsSecret():
		return "(secret)"
	case value.IsComputed():
		return "(unknown)"
	case value.IsArray():
		list := []any{}
		for _, item := range value.ArrayValue() {
			list = append(list, plain(item))
		}
		return list
	case value.IsObject():
		object := map[string]any{}
		for key, item := range value.ObjectValue() {
			object[string(key)] = plain(item)
		}
		return object
	}
	return value.V
}

// hashed matches names of ConfigMaps.
var hashed = regexp.MustCompile(`name: ([a-z-]+)-[0-9a-f]{10}\b`)

// stable replaces the digests of images that are built here.
func stable(result stackRun, text string) string {
	for name, reference := range at(result.outputs, "images").ObjectValue() {
		_, digest, _ := strings.Cut(reference.StringValue(), "@")
		text = strings.ReplaceAll(text, digest, "(digest of "+string(name)+")")
	}
	text = hashed.ReplaceAllString(text, "name: $1-(hash of its files)")
	for _, r := range result.resources {
		if r.Type == attestationType {
			image := r.Name[:strings.LastIndex(r.Name, "-")]
			text = strings.ReplaceAll(text, r.Name, image+"-(hash of image and key)")
		}
	}
	return text
}

// TestRolesKnowEveryKey checks that some stack sets each key. The roles of CI are derived from
// these stacks, so CI could not deploy what a missing key adds.
func TestRolesKnowEveryKey(t *testing.T) {
	known := map[string]bool{}
	for _, stack := range []string{"dev", "prod", "sandbox"} {
		for key := range configtest.Set(t, root, stack) {
			known[key] = true
		}
	}
	for _, changes := range []map[string]string{withDelivery, variant("delivery-by-number"), withAutopilot, withCertManager, withPool, withZone, variant("dual-stack"), everything(t)} {
		for key := range changes {
			known[key] = true
		}
	}
	for _, key := range slices.Sorted(maps.Keys(configtest.Load(t, root, ""))) {
		if !known[key] {
			t.Errorf("no stack in testdata has %s: add it to infra/variants.yaml", key)
		}
	}
}
