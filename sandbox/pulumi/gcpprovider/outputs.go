package gcpprovider

import (
	"maps"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"

	"example.com/grpc-edge/sandbox/gcp"
)

const effectiveLabels, pulumiLabels = "effectiveLabels", "pulumiLabels"

// config returns the properties of a resource that the cloud gets.
func (t resourceType) config(s *session, inputs resource.PropertyMap) gcp.Properties {
	p := plain(inputs)
	if t.labels != "" {
		own, _ := p[t.labels].(map[string]any)
		p[effectiveLabels] = s.labels(own)
	}
	return p
}

// outputs returns an object's properties, as the SDK knows them. Secret inputs stay secret.
func outputs(schema typeSchema, o gcp.Object, inputs resource.PropertyMap) resource.PropertyMap {
	all := o.Properties()
	if labels, ok := all[effectiveLabels]; ok {
		all[pulumiLabels] = labels
	}
	m := resource.PropertyMap{}
	for key, value := range all {
		_, isInput := schema.Inputs[key]
		if isInput || slices.Contains(schema.Outputs, key) {
			m[resource.PropertyKey(key)] = sameSecrecy(resource.NewPropertyValue(value), inputs[resource.PropertyKey(key)])
		}
	}
	if _, has := schema.Inputs[deletionPolicy]; has && m[deletionPolicy].IsNull() {
		m[deletionPolicy] = resource.NewProperty(deletes)
	}
	return m
}

// inputsOf returns the inputs that would make an object what it is now. They equal the inputs
// that it was created with, unless somebody has changed it since.
func inputsOf(schema typeSchema, o gcp.Object, olds resource.PropertyMap) resource.PropertyMap {
	m := resource.PropertyMap{defaultsKey: resource.NewProperty([]resource.PropertyValue{})}
	for key, value := range o.Config {
		if _, isInput := schema.Inputs[key]; isInput {
			m[resource.PropertyKey(key)] = sameSecrecy(resource.NewPropertyValue(value), olds[resource.PropertyKey(key)])
		}
	}
	if had, ok := olds[defaultsKey]; ok {
		m[defaultsKey] = had
	}
	return m
}

// sameSecrecy makes a value secret if the other one has secrets in it.
func sameSecrecy(v, like resource.PropertyValue) resource.PropertyValue {
	if like.ContainsSecrets() {
		return resource.MakeSecret(v)
	}
	return v
}

// planned returns the outputs of an object that does not exist yet. What Google decides is unknown.
func planned(t resourceType, schema typeSchema, s *session, inputs resource.PropertyMap) resource.PropertyMap {
	m := inputs.Copy()
	delete(m, defaultsKey)
	for _, key := range slices.Concat(schema.Outputs, schema.Computed) {
		if _, given := m[resource.PropertyKey(key)]; !given {
			m[resource.PropertyKey(key)] = unknown()
		}
	}
	for _, path := range t.computed {
		setUnknown(m, strings.Split(path, "."))
	}
	for key, value := range map[string]string{"project": s.place.Project, "region": s.place.Region} {
		if slices.Contains(t.place, key) && inputs[resource.PropertyKey(key)].IsNull() && value != "" {
			m[resource.PropertyKey(key)] = resource.NewProperty(value)
		}
	}
	if _, has := schema.Inputs[deletionPolicy]; has && inputs[deletionPolicy].IsNull() {
		m[deletionPolicy] = resource.NewProperty(deletes)
	}
	if t.foreseen != nil {
		maps.Copy(m, t.foreseen(s, inputs))
	}
	t.setLabels(s, m)
	return m
}

// deletionPolicy is the property that decides whether an object is deleted with its resource: it
// is, unless the program sets another value (the virtual field of most resources of the
// Terraform provider).
const deletionPolicy, deletes = "deletionPolicy", "DELETE"

// overlaid returns the outputs of an object after an update: the old outputs, overlaid with the
// new inputs.
func overlaid(t resourceType, schema typeSchema, s *session, olds, news resource.PropertyMap) resource.PropertyMap {
	m := olds.Copy()
	for key := range schema.Inputs {
		k := resource.PropertyKey(key)
		if value, given := news[k]; given {
			m[k] = laid(olds[k], value)
		} else if !t.keeps(schema, key) {
			delete(m, k)
		}
	}
	t.setLabels(s, m)
	return m
}

// laid lays a new value over an old one, whose computed parts stay.
func laid(old, value resource.PropertyValue) resource.PropertyValue {
	if !unwrap(old).IsObject() || !value.IsObject() {
		return value
	}
	merged := unwrap(old).ObjectValue().Copy()
	for key, v := range value.ObjectValue() {
		merged[key] = laid(merged[key], v)
	}
	return resource.NewProperty(merged)
}

func (t resourceType) setLabels(s *session, m resource.PropertyMap) {
	if t.labels == "" {
		return
	}
	own := unwrap(m[resource.PropertyKey(t.labels)])
	labels := unknown()
	if !own.ContainsUnknowns() {
		ours, _ := plainValue(own).(map[string]any)
		labels = resource.NewPropertyValue(maps.Clone(s.labels(ours)))
	}
	m[effectiveLabels], m[pulumiLabels] = labels, labels
}

// setUnknown makes a nested property unknown, if its parent exists without it.
func setUnknown(m resource.PropertyMap, path []string) {
	key := resource.PropertyKey(path[0])
	value, given := m[key]
	switch {
	case len(path) == 1 && !given:
		m[key] = unknown()
	case len(path) > 1 && unwrap(value).IsObject():
		nested := unwrap(value).ObjectValue().Copy()
		setUnknown(nested, path[1:])
		m[key] = sameSecrecy(resource.NewProperty(nested), value)
	}
}

func unknown() resource.PropertyValue { return resource.MakeComputed(resource.NewProperty("")) }
