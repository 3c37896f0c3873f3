package tlsprovider

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/pulumi/pulumi/sdk/v3/go/common/resource/plugin"
	pulumirpc "github.com/pulumi/pulumi/sdk/v3/proto/go"
	"google.golang.org/protobuf/types/known/structpb"
)

func TestDiff(t *testing.T) {
	t.Parallel()
	type bag = map[string]any
	cases := []struct {
		name       string
		olds, news bag
		want       map[string]pulumirpc.PropertyDiff_Kind
	}{
		{"equal", bag{"a": 1.0, "l": []any{"x"}}, bag{"a": 1.0, "l": []any{"x"}}, nil},
		{"null is absent", bag{}, bag{"a": nil}, nil},
		{"added, changed and removed", bag{"b": "x", "c": "x"}, bag{"a": "x", "b": "y"}, map[string]pulumirpc.PropertyDiff_Kind{
			"a": pulumirpc.PropertyDiff_ADD, "b": pulumirpc.PropertyDiff_UPDATE, "c": pulumirpc.PropertyDiff_DELETE,
		}},
		{"deep in a list", bag{"l": []any{bag{"a": 1.0}}}, bag{"l": []any{bag{"a": 2.0}}},
			map[string]pulumirpc.PropertyDiff_Kind{"l[0].a": pulumirpc.PropertyDiff_UPDATE}},
		{"not known yet", bag{"a": "x"}, bag{"a": plugin.UnknownStringValue},
			map[string]pulumirpc.PropertyDiff_Kind{"a": pulumirpc.PropertyDiff_UPDATE}},
		{"replacing", bag{"fixed": "x"}, bag{"fixed": "y"},
			map[string]pulumirpc.PropertyDiff_Kind{"fixed": pulumirpc.PropertyDiff_UPDATE_REPLACE}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			olds, err := structpb.NewStruct(c.olds)
			if err != nil {
				t.Fatal(err)
			}
			news, err := structpb.NewStruct(c.news)
			if err != nil {
				t.Fatal(err)
			}
			resp, err := diffBags(olds, news, func(path string) bool { return path == "fixed" })
			if err != nil {
				t.Fatal(err)
			}
			var got map[string]pulumirpc.PropertyDiff_Kind
			for path, change := range resp.DetailedDiff {
				if got == nil {
					got = map[string]pulumirpc.PropertyDiff_Kind{}
				}
				got[path] = change.Kind
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Errorf("diffBags() differs (-want +got):\n%s", diff)
			}
			if some := resp.Changes == pulumirpc.DiffResponse_DIFF_SOME; some != (len(c.want) > 0) {
				t.Errorf("diffBags().Changes = %v with %d changed properties", resp.Changes, len(c.want))
			}
			if want := c.name == "replacing"; (len(resp.Replaces) > 0) != want {
				t.Errorf("diffBags().Replaces = %v, want some: %v", resp.Replaces, want)
			}
		})
	}
}

func TestHasUnknown(t *testing.T) {
	t.Parallel()
	known := map[string]any{"a": []any{map[string]any{"b": "x"}}}
	if hasUnknown(known) {
		t.Errorf("hasUnknown(%v) = true", known)
	}
	deep := map[string]any{"a": []any{map[string]any{"b": plugin.UnknownNumberValue}}}
	if !hasUnknown(deep) {
		t.Errorf("hasUnknown(%v) = false", deep)
	}
}
