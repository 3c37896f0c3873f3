package gcpprovider

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/pulumi/pulumi/sdk/v3/go/common/resource"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
)

// Diff implements pulumirpc.ResourceProviderServer.
func (p *provider) Diff(ctx context.Context, r *pulumirpc.DiffRequest) (*pulumirpc.DiffResponse, error) {
	t, schema, err := lookUp(r.Urn)
	if err != nil {
		return nil, err
	}
	state, news, err := decodeTwo(r.Olds, r.News)
	if err != nil {
		return nil, err
	}
	olds, err := decode(r.OldInputs)
	if err != nil {
		return nil, err
	}
	d := &differ{resourceType: t, schema: schema, changes: map[string]*pulumirpc.PropertyDiff{}}
	d.object("", state, olds, news)
	d.labelsChanged(p.sessions.find(ctx), state, news)
	return d.response(news), nil
}

type differ struct {
	resourceType
	schema  typeSchema
	changes map[string]*pulumirpc.PropertyDiff
}

func (d *differ) object(path string, state, olds, news resource.PropertyMap) {
	keys := map[resource.PropertyKey]bool{}
	for _, m := range []resource.PropertyMap{olds, news} {
		for key := range m {
			keys[key] = !strings.HasPrefix(string(key), "__")
		}
	}
	for key, own := range keys {
		if own {
			d.value(join(path, string(key)), unwrap(state[key]), unwrap(olds[key]), unwrap(news[key]))
		}
	}
}

func (d *differ) value(path string, state, old, new resource.PropertyValue) {
	switch {
	case old.IsObject() && new.IsObject():
		var nested resource.PropertyMap
		if state.IsObject() {
			nested = state.ObjectValue()
		}
		d.object(path, nested, old.ObjectValue(), new.ObjectValue())
	case old.IsArray() && new.IsArray() && !new.ContainsUnknowns():
		if slices.Contains(d.sets, index.ReplaceAllString(path, "")) {
			new = inOrder(new, old)
		}
		for i := range max(len(old.ArrayValue()), len(new.ArrayValue())) {
			d.value(fmt.Sprintf("%s[%d]", path, i), resource.NewNullProperty(), item(old, i), item(new, i))
		}
	case d.same(path, state, old, new):
	default:
		d.changed(path, old, new)
	}
}

// same reports whether nothing changes. That is so if the program gives the value that Google
// has, leaves to Google what Google has decided, or names the same object in another form. A
// value that Google reports in another form than given is a change at every run, as in the
// Terraform provider, which compares with what it read.
func (d *differ) same(path string, state, old, new resource.PropertyValue) bool {
	old, new = strip(old), strip(new)
	switch {
	case new.IsComputed():
		return old.IsComputed()
	case d.unchanged[path] != nil && strip(state).IsString() && new.IsString():
		return d.unchanged[path](strip(state).StringValue(), new.StringValue())
	case old.DeepEquals(new):
		return d.kept(path, strip(state), new)
	case old.IsNull():
		return strip(state).DeepEquals(new) || d.sameReference(path, state, new)
	case new.IsNull():
		return d.keeps(d.schema, path)
	}
	return d.sameReference(path, old, new)
}

// kept reports whether Google has a value as it was given. It compares numbers, booleans and
// the texts whose paths are in reported, and returns true for everything else.
func (d *differ) kept(path string, state, given resource.PropertyValue) bool {
	switch {
	case state.IsBool() && given.IsBool(), state.IsNumber() && given.IsNumber():
		return state.DeepEquals(given)
	case state.IsString() && given.IsString() && slices.Contains(d.reported, path):
		return state.DeepEquals(given)
	}
	return true
}

// includes reports whether JSON text has all that other JSON text has, with the same values: the
// API completes what it is given. Therefore a removal alone is no change either
// ("gcp.monitoring.Dashboard", Pulumi Registry: dashboardJson).
func includes(state, new string) bool {
	var has, wanted any
	if json.Unmarshal([]byte(state), &has) != nil || json.Unmarshal([]byte(new), &wanted) != nil {
		return false
	}
	return reflect.DeepEqual(within(has, wanted), wanted)
}

// within returns the part of a JSON value that another value mentions.
func within(value, mentioned any) any {
	switch v := value.(type) {
	case map[string]any:
		other, _ := mentioned.(map[string]any)
		part := map[string]any{}
		for key := range v {
			if wanted, ok := other[key]; ok {
				part[key] = within(v[key], wanted)
			}
		}
		return part
	case []any:
		other, _ := mentioned.([]any)
		part := make([]any, len(v))
		for i := range v {
			if part[i] = v[i]; i < len(other) {
				part[i] = within(v[i], other[i])
			}
		}
		return part
	}
	return value
}

func (d *differ) sameReference(path string, a, b resource.PropertyValue) bool {
	if !slices.Contains(d.references, path) || !a.IsString() || !b.IsString() {
		return false
	}
	x, y := canonical(a.StringValue()), canonical(b.StringValue())
	return x == y || strings.HasSuffix(x, "/"+y) || strings.HasSuffix(y, "/"+x)
}

// canonical returns the resource name in a self link.
func canonical(ref string) string {
	if i := strings.Index(ref, "projects/"); i >= 0 {
		return ref[i:]
	}
	return ref
}

var index = regexp.MustCompile(`\[\d+\]`)

func (d *differ) changed(path string, old, new resource.PropertyValue) {
	replace := d.replaces(index.ReplaceAllString(path, ""), old, new)
	kinds := [2]pulumirpc.PropertyDiff_Kind{pulumirpc.PropertyDiff_UPDATE, pulumirpc.PropertyDiff_UPDATE_REPLACE}
	switch {
	case old.IsNull():
		kinds = [2]pulumirpc.PropertyDiff_Kind{pulumirpc.PropertyDiff_ADD, pulumirpc.PropertyDiff_ADD_REPLACE}
	case new.IsNull():
		kinds = [2]pulumirpc.PropertyDiff_Kind{pulumirpc.PropertyDiff_DELETE, pulumirpc.PropertyDiff_DELETE_REPLACE}
	}
	kind := kinds[0]
	if replace {
		kind = kinds[1]
	}
	d.changes[path] = &pulumirpc.PropertyDiff{Kind: kind, InputDiff: true}
}

// replaces reports whether a change needs a new object: a change of the path itself, or of
// something inside the value that is added or removed there.
func (d *differ) replaces(path string, old, new resource.PropertyValue) bool {
	if decide, ok := d.replaceIf[path]; ok {
		return decide(plainValue(old), plainValue(new))
	}
	for _, r := range d.replace {
		if path == r || strings.HasPrefix(path, r+".") {
			return true
		}
		if rest, inside := strings.CutPrefix(r, path+"."); inside && (has(old, rest) || has(new, rest)) {
			return true
		}
	}
	return false
}

func has(v resource.PropertyValue, path string) bool {
	key, rest, more := strings.Cut(path, ".")
	if !v.IsObject() {
		return v.IsComputed()
	}
	value, ok := v.ObjectValue()[resource.PropertyKey(key)]
	return ok && (!more || has(unwrap(value), rest))
}

// labelsChanged adds the change of labels that come from the provider's
// configuration. The label that marks what Pulumi made is set at creation only.
func (d *differ) labelsChanged(s *session, state, news resource.PropertyMap) {
	had := unwrap(state[pulumiLabels])
	own := unwrap(news[resource.PropertyKey(d.labels)])
	if d.labels == "" || !had.IsObject() || own.ContainsUnknowns() {
		return
	}
	for path := range d.changes {
		if path == d.labels || strings.HasPrefix(path, d.labels+".") {
			return // said already
		}
	}
	ours, _ := plainValue(own).(map[string]any)
	want := resource.NewPropertyMapFromMap(s.labels(ours))
	before := had.ObjectValue().Copy()
	delete(want, attributionLabel)
	delete(before, attributionLabel)
	if !strip(resource.NewProperty(before)).DeepEquals(resource.NewProperty(want)) {
		d.changes[pulumiLabels] = &pulumirpc.PropertyDiff{Kind: pulumirpc.PropertyDiff_UPDATE}
	}
}

func (d *differ) response(news resource.PropertyMap) *pulumirpc.DiffResponse {
	response := &pulumirpc.DiffResponse{
		Changes: pulumirpc.DiffResponse_DIFF_NONE, DetailedDiff: d.changes, HasDetailedDiff: true,
	}
	for path, change := range d.changes {
		response.Changes = pulumirpc.DiffResponse_DIFF_SOME
		top := path[:strings.IndexAny(path+".", ".[")]
		response.Diffs = append(response.Diffs, top)
		switch change.Kind {
		case pulumirpc.PropertyDiff_ADD_REPLACE, pulumirpc.PropertyDiff_UPDATE_REPLACE, pulumirpc.PropertyDiff_DELETE_REPLACE:
			response.Replaces = append(response.Replaces, top)
		}
	}
	for _, key := range d.replaced {
		if len(response.Replaces) > 0 && news.HasValue(resource.PropertyKey(key)) && !slices.Contains(response.Replaces, key) {
			d.changes[key] = &pulumirpc.PropertyDiff{Kind: pulumirpc.PropertyDiff_UPDATE_REPLACE}
			response.Diffs, response.Replaces = append(response.Diffs, key), append(response.Replaces, key)
		}
	}
	slices.Sort(response.Diffs)
	slices.Sort(response.Replaces)
	response.Diffs, response.Replaces = slices.Compact(response.Diffs), slices.Compact(response.Replaces)
	for _, path := range d.replace {
		if !strings.Contains(path, ".") && !slices.Contains(response.Replaces, path) {
			response.Stables = append(response.Stables, path)
		}
	}
	// As Pulumi's provider does: with a name the program gave, the new object
	// cannot exist beside the old one.
	response.DeleteBeforeReplace = len(response.Replaces) > 0 && d.autoname != "" && !isDefault(news, d.autoname)
	return response
}

// inOrder returns the items of a set in the order of another set. Items that both have keep their
// place in the other, and the rest come between and after them.
func inOrder(set, like resource.PropertyValue) resource.PropertyValue {
	rest := slices.Clone(set.ArrayValue())
	ordered := make([]resource.PropertyValue, len(like.ArrayValue()))
	for i, item := range like.ArrayValue() {
		same := func(v resource.PropertyValue) bool { return strip(v).DeepEquals(strip(item)) }
		if j := slices.IndexFunc(rest, same); j >= 0 {
			ordered[i] = rest[j]
			rest = slices.Delete(rest, j, j+1)
		}
	}
	for i := range ordered {
		if ordered[i].IsNull() && len(rest) > 0 {
			ordered[i], rest = rest[0], rest[1:]
		}
	}
	return resource.NewProperty(append(ordered, rest...))
}

func item(list resource.PropertyValue, i int) resource.PropertyValue {
	if i < len(list.ArrayValue()) {
		return unwrap(list.ArrayValue()[i])
	}
	return resource.NewNullProperty()
}

// strip replaces all secrets in a value by their content.
func strip(v resource.PropertyValue) resource.PropertyValue {
	v = unwrap(v)
	switch {
	case v.IsArray():
		list := make([]resource.PropertyValue, len(v.ArrayValue()))
		for i, item := range v.ArrayValue() {
			list[i] = strip(item)
		}
		return resource.NewProperty(list)
	case v.IsObject():
		m := resource.PropertyMap{}
		for key, item := range v.ObjectValue() {
			m[key] = strip(item)
		}
		return resource.NewProperty(m)
	}
	return v
}
