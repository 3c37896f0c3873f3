package proxy

import (
	"testing"

	"sigs.k8s.io/yaml"
)

func TestDrop(t *testing.T) {
	t.Parallel()
	const before = `
listeners:
- stat_prefix: https
  access_log: [1]
  exact: application/grpc
  http_filters: [{name: request_trailers}, {name: b}]
  routes: [{typed_per_filter_config: {request_trailers: 1, b: 2}}]
`
	for name, test := range map[string]struct {
		change func(map[string]any)
		want   string
	}{
		"field":    {func(tree map[string]any) { drop(tree, "access_log", "routes") }, `{"listeners":[{"exact":"application/grpc","http_filters":[{"name":"request_trailers"},{"name":"b"}],"stat_prefix":"https"}]}`},
		"long way": {longWay().Bootstrap, `{"listeners":[{"access_log":[1],"exact":"nothing","http_filters":[{"name":"request_trailers"},{"name":"b"}],"routes":[{"typed_per_filter_config":{"b":2,"request_trailers":1}}],"stat_prefix":"https"}]}`},
		"floor": {floor(bootstrapChanges()).Bootstrap,
			`{"listeners":[{"exact":"application/grpc","generate_request_id":false,"http_filters":[{"name":"b"}],"routes":[{"typed_per_filter_config":{"b":2}}],"stat_prefix":"https"}]}`},
		"filter": {func(tree map[string]any) { dropFilter(tree, "request_trailers") }, `{"listeners":[{"access_log":[1],"exact":"application/grpc","http_filters":[{"name":"b"}],"routes":[{"typed_per_filter_config":{"b":2}}],"stat_prefix":"https"}]}`},
	} {
		tree := map[string]any{}
		if err := yaml.Unmarshal([]byte(before), &tree); err != nil {
			t.Fatal(err)
		}
		test.change(tree)
		text, err := yaml.Marshal(tree)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := yaml.YAMLToJSON(text); err != nil || string(got) != test.want {
			t.Errorf("%s: got %s, %v, want %s", name, got, err, test.want)
		}
	}
}
