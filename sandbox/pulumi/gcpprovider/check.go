package gcpprovider

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"

	"example.com/grpc-edge/sandbox/gcp"
)

// validate checks inputs against the SDK's schema: their names, their types,
// and that none is missing.
func validate(schema typeSchema, inputs resource.PropertyMap) []*pulumirpc.CheckFailure {
	v := &validator{}
	v.object("", schema.Inputs, inputs)
	return v.failures
}

type validator struct{ failures []*pulumirpc.CheckFailure }

func (v *validator) fail(path, format string, args ...any) {
	v.failures = append(v.failures, &pulumirpc.CheckFailure{Property: path, Reason: fmt.Sprintf(format, args...)})
}

func (v *validator) object(path string, schema map[string]string, o resource.PropertyMap) {
	for _, key := range o.StableKeys() {
		at := join(path, string(key))
		goType, known := schema[string(key)]
		if !known {
			v.fail(at, "unknown property %q; known are %s", at, strings.Join(slices.Sorted(maps.Keys(schema)), ", "))
			continue
		}
		v.value(at, strings.TrimPrefix(goType, "*"), o[key])
	}
	for _, key := range slices.Sorted(maps.Keys(schema)) {
		if _, given := o[resource.PropertyKey(key)]; !given && !optional(schema[key]) {
			v.fail(join(path, key), "missing required property %q", join(path, key))
		}
	}
}

func (v *validator) value(path, goType string, value resource.PropertyValue) {
	value = unwrap(value)
	if value.IsComputed() || goType == "interface{}" {
		return
	}
	switch {
	case isList(goType) && value.IsArray():
		for i, item := range value.ArrayValue() {
			v.value(fmt.Sprintf("%s[%d]", path, i), strings.TrimPrefix(goType, "[]"), item)
		}
	case isMap(goType) && value.IsObject():
		for key, item := range value.ObjectValue() {
			v.value(join(path, string(key)), strings.TrimPrefix(goType, "map[string]"), item)
		}
	case strings.Contains(goType, ".") && value.IsObject():
		v.object(path, loadSchemas().Types[goType], value.ObjectValue())
	case goType == "string" && value.IsString(), goType == "bool" && value.IsBool(), goType == "float64" && value.IsNumber():
	case goType == "int" && value.IsNumber() && value.NumberValue() == math.Trunc(value.NumberValue()):
	default:
		v.fail(path, "property %q must be %s, not %s", path, describe(goType), value.TypeString())
	}
}

// conflicting finds inputs that cannot be given together.
func (t resourceType) conflicting(inputs resource.PropertyMap) []*pulumirpc.CheckFailure {
	v := &validator{}
	for key, others := range t.conflicts {
		for _, other := range others {
			if inputs.HasValue(resource.PropertyKey(key)) && has(resource.NewProperty(inputs), other) {
				v.fail(other, "Conflicting configuration arguments: %q: conflicts with %s", other, key)
			}
		}
	}
	return v.failures
}

// describe names a Go type in Pulumi's words.
func describe(goType string) string {
	switch {
	case isList(goType):
		return "a list"
	case isMap(goType), strings.Contains(goType, "."):
		return "an object"
	case goType == "int":
		return "an integer"
	}
	return "a " + strings.Replace(goType, "float64", "number", 1)
}

// complete adds to inputs the name and the defaults that the program left out, and records which
// ones it added.
func complete(t resourceType, r *pulumirpc.CheckRequest, olds, inputs resource.PropertyMap) error {
	added := []resource.PropertyValue{}
	for _, key := range slices.Sorted(maps.Keys(t.defaults)) {
		if _, given := inputs[resource.PropertyKey(key)]; !given && !t.excluded(key, inputs) {
			inputs[resource.PropertyKey(key)] = resource.NewPropertyValue(t.defaults[key])
			added = append(added, resource.NewProperty(key))
		}
	}
	for path, value := range t.nested {
		setDefault(inputs, strings.Split(path, "."), value)
	}
	key := resource.PropertyKey(t.autoname)
	if _, given := inputs[key]; t.autoname != "" && !given {
		name, err := autoname(t, r, olds)
		if err != nil {
			return err
		}
		inputs[key] = resource.NewProperty(name)
		added = append(added, resource.NewProperty(t.autoname))
	}
	inputs[defaultsKey] = resource.NewProperty(added)
	return nil
}

// setDefault sets the property at a path if the program left it out. It sets a nested property
// only if the program gave the object around it.
func setDefault(inputs resource.PropertyMap, path []string, value any) {
	key := resource.PropertyKey(path[0])
	given, has := inputs[key]
	if len(path) == 1 {
		if !has {
			inputs[key] = resource.NewPropertyValue(value)
		}
		return
	}
	if object := unwrap(given); object.IsObject() {
		setDefault(object.ObjectValue(), path[1:], value) // decoded for this call alone
	}
}

// excluded reports whether a property conflicts with one that is given.
func (t resourceType) excluded(key string, inputs resource.PropertyMap) bool {
	for given, others := range t.conflicts {
		if inputs.HasValue(resource.PropertyKey(given)) && slices.Contains(others, key) {
			return true
		}
	}
	return false
}

// autoname returns the old name, or the name that the stack's config pulumi:autonaming asks for,
// or <logical name>-<7 hex digits> as Pulumi's provider makes it.
func autoname(t resourceType, r *pulumirpc.CheckRequest, olds resource.PropertyMap) (string, error) {
	key := resource.PropertyKey(t.autoname)
	if old, had := olds[key]; had && isDefault(olds, t.autoname) {
		return unwrap(old).StringValue(), nil
	}
	switch a := r.GetAutonaming(); a.GetMode() {
	case pulumirpc.CheckRequest_AutonamingOptions_ENFORCE:
		return a.GetProposedName(), nil
	case pulumirpc.CheckRequest_AutonamingOptions_DISABLE:
		return "", fmt.Errorf("automatic naming is disabled: give %s of %s", t.autoname, r.Urn)
	case pulumirpc.CheckRequest_AutonamingOptions_PROPOSE:
		if a.GetProposedName() != "" {
			return a.GetProposedName(), nil
		}
	}
	const digits = 7
	prefix := strings.ToLower(resource.URN(r.Urn).Name())
	prefix = prefix[:min(len(prefix), t.maxName-digits-1)] + "-"
	return resource.NewUniqueName(r.RandomSeed, prefix, digits, t.maxName, nil)
}

// isDefault reports whether an input is a default that the program did not give.
func isDefault(inputs resource.PropertyMap, property string) bool {
	list := inputs[defaultsKey]
	return list.IsArray() && slices.ContainsFunc(list.ArrayValue(), func(v resource.PropertyValue) bool {
		return v.IsString() && v.StringValue() == property
	})
}

// unwrap returns the value inside secrets and outputs; an unknown value is computed.
func unwrap(v resource.PropertyValue) resource.PropertyValue {
	for {
		switch {
		case v.IsSecret():
			v = v.SecretValue().Element
		case v.IsOutput() && v.OutputValue().Known:
			v = v.OutputValue().Element
		case v.IsOutput():
			return resource.MakeComputed(resource.NewProperty(""))
		default:
			return v
		}
	}
}

// plain returns the properties that the cloud gets: no secrets, nothing unknown, none of the
// engine's own keys.
func plain(m resource.PropertyMap) gcp.Properties {
	p := gcp.Properties{}
	for key, value := range m {
		if strings.HasPrefix(string(key), "__") {
			continue
		}
		if v := plainValue(value); v != nil {
			p[string(key)] = v
		}
	}
	return p
}

func plainValue(v resource.PropertyValue) any {
	v = unwrap(v)
	switch {
	case v.IsComputed() || v.IsNull():
		return nil
	case v.IsArray():
		list := make([]any, 0, len(v.ArrayValue()))
		for _, item := range v.ArrayValue() {
			list = append(list, plainValue(item))
		}
		return list
	case v.IsObject():
		return map[string]any(plain(v.ObjectValue()))
	}
	return v.V
}

func join(path, key string) string {
	if path == "" {
		return key
	}
	return path + "." + key
}
