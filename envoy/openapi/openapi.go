// Package openapi describes the REST API of the edge in OpenAPI 3.0: each method with a
// google.api.http annotation, as Envoy transcodes it. It follows ProtoJSON, so a field of
// 64 bits is a string and the response of a stream is an array.
package openapi

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/genproto/googleapis/rpc/status"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"sigs.k8s.io/yaml"

	"example.com/grpc-edge/envoy/rest"
)

// verbs lists the HTTP methods that OpenAPI 3.0 supports.
var verbs = []string{
	http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodOptions,
	http.MethodHead, http.MethodPatch, http.MethodTrace,
}

// anyVerb lists the verbs documented for a custom pattern of the kind *.
var anyVerb = []string{http.MethodGet, http.MethodPut, http.MethodPost, http.MethodDelete, http.MethodPatch}

// document collects the parts of an OpenAPI document.
type document struct {
	*openapi3.T
	// paths holds each path by what it matches: for OpenAPI, two paths that differ
	// only in the names of parameters are the same.
	paths map[string]path
}

// path holds a path of OpenAPI and the names of its parameters, in order.
type path struct {
	template string
	names    []string
}

// Document returns a document of all annotated methods of the services. The error lists wrong
// annotations.
func Document(ctx context.Context, title, description string, services []protoreflect.ServiceDescriptor) (*openapi3.T, error) {
	d := document{paths: map[string]path{}, T: &openapi3.T{
		OpenAPI: "3.0.3",
		Info:    &openapi3.Info{Title: title, Description: description, Version: "v1"},
		Paths:   openapi3.NewPaths(), Components: &openapi3.Components{Schemas: openapi3.Schemas{}},
	}}
	if err := check(services); err != nil {
		return nil, err
	}
	for _, service := range services {
		d.addService(service)
	}
	if err := d.Validate(ctx); err != nil {
		return nil, fmt.Errorf("checking the OpenAPI document of the services: %w", err)
	}
	return d.T, nil
}

func check(services []protoreflect.ServiceDescriptor) error {
	var errs []error
	for _, service := range services {
		for _, binding := range rest.ServiceBindings(service) {
			errs = append(errs, binding.Check())
		}
	}
	return errors.Join(errs...)
}

// YAML returns the document as YAML with sorted keys.
func YAML(document *openapi3.T) ([]byte, error) {
	content, err := document.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("writing the OpenAPI document: %w", err)
	}
	return yaml.JSONToYAML(content)
}

func (d document) addService(service protoreflect.ServiceDescriptor) {
	documented := false
	for i := range service.Methods().Len() {
		method := service.Methods().Get(i)
		for n, binding := range rest.Bindings(method) {
			documented = d.addBinding(binding, n) || documented
		}
	}
	if documented {
		d.Tags = append(d.Tags, &openapi3.Tag{Name: string(service.FullName()), Description: comment(service)})
	}
}

// addBinding documents one binding, the nth of its method. It returns false for a binding
// that OpenAPI cannot express: one with a verb that it does not support, or with a path
// that it cannot tell from another.
func (d document) addBinding(binding rest.Binding, n int) bool {
	documented := []string{binding.Verb}
	if binding.Verb == "*" {
		documented = anyVerb
	}
	added := false
	for _, verb := range documented {
		template, parameters := d.path(binding)
		item := d.Paths.Value(template)
		if item == nil {
			item = &openapi3.PathItem{}
		}
		if !slices.Contains(verbs, verb) || item.GetOperation(verb) != nil {
			continue
		}
		id := string(binding.Method.FullName())
		if n > 0 {
			id += fmt.Sprintf(".%d", n+1)
		}
		if len(documented) > 1 {
			id += "." + strings.ToLower(verb)
		}
		item.SetOperation(verb, d.operation(id, verb, binding, parameters))
		d.Paths.Set(template, item)
		added = true
	}
	return added
}

func (d document) operation(id, verb string, binding rest.Binding, parameters openapi3.Parameters) *openapi3.Operation {
	method := binding.Method
	options, _ := method.Options().(*descriptorpb.MethodOptions)
	o := &openapi3.Operation{
		OperationID: id, Tags: []string{string(method.Parent().FullName())},
		Description: comment(method), Deprecated: options.GetDeprecated(),
		Parameters: append(parameters, d.query(binding)...),
		Responses:  openapi3.NewResponses(),
	}
	if binding.Body == "" && verb == http.MethodPost { // to which the edge wants a content type
		o.RequestBody = &openapi3.RequestBodyRef{Value: &openapi3.RequestBody{
			Description: "An empty object, or nothing with the content-type application/json.", Content: inJSON(openapi3.NewObjectSchema().NewRef()),
		}}
	}
	if binding.Body != "" {
		o.RequestBody = &openapi3.RequestBodyRef{Value: &openapi3.RequestBody{Required: true, Content: d.body(binding)}}
	}
	failure := d.message((&status.Status{}).ProtoReflect().Descriptor())
	o.Responses = openapi3.NewResponses(
		openapi3.WithStatus(http.StatusOK, response("The reply.", d.reply(binding))),
		openapi3.WithName("default", response("An error, as a status of gRPC.", inJSON(failure)).Value),
	)
	return o
}

func response(description string, content openapi3.Content) *openapi3.ResponseRef {
	return &openapi3.ResponseRef{Value: &openapi3.Response{Description: &description, Content: content}}
}

func inJSON(schema *openapi3.SchemaRef) openapi3.Content {
	return openapi3.Content{"application/json": &openapi3.MediaType{Schema: schema}}
}

// raw returns the content of a google.api.HttpBody.
func raw() openapi3.Content {
	return openapi3.Content{"*/*": &openapi3.MediaType{Schema: openapi3.NewStringSchema().WithFormat("binary").NewRef()}}
}

// body describes the request body. It leaves out fields that the path sets.
func (d document) body(binding rest.Binding) openapi3.Content {
	message := binding.Method.Input()
	if binding.Body != "*" {
		field := rest.Field(message, binding.Body)
		if field.Message() != nil && field.Message().FullName() == rest.HTTPBody && !field.IsList() {
			return raw()
		}
		return inJSON(d.field(field))
	}
	if message.FullName() == rest.HTTPBody {
		return raw()
	}
	schema := d.message(message)
	if bound := binding.Variables(); len(bound) > 0 {
		inner := d.object(message)
		for _, v := range bound {
			if strings.Contains(v.Field, ".") {
				continue // of an inner message, whose schema others have, too
			}
			name := rest.Field(message, v.Field).JSONName()
			delete(inner.Properties, name)
			inner.Required = slices.DeleteFunc(inner.Required, func(required string) bool { return required == name })
		}
		schema = inner.NewRef()
	}
	if binding.Method.IsStreamingClient() {
		schema = list(schema)
	}
	return inJSON(schema)
}

// reply describes the response.
func (d document) reply(binding rest.Binding) openapi3.Content {
	message := binding.Method.Output()
	if binding.ResponseBody != "" || message.FullName() == rest.HTTPBody {
		return raw() // rest.Binding.Check allows no other field
	}
	schema := d.message(message)
	if binding.Method.IsStreamingServer() {
		schema = list(schema)
	}
	return inJSON(schema)
}

func list(items *openapi3.SchemaRef) *openapi3.SchemaRef {
	return (&openapi3.Schema{Type: &openapi3.Types{openapi3.TypeArray}, Items: items}).NewRef()
}

var stars = regexp.MustCompile(`\*\*?`)

// path returns the path of a binding with a parameter for each wildcard, and the
// parameters. It is the same path for all bindings that match the same.
func (d document) path(binding rest.Binding) (string, openapi3.Parameters) {
	var parameters openapi3.Parameters
	add := func(name string, schema *openapi3.SchemaRef, description string) string {
		parameters = append(parameters, &openapi3.ParameterRef{Value: openapi3.NewPathParameter(name).WithDescription(description).WithSchema(schema.Value)})
		return "{" + name + "}"
	}
	text := openapi3.NewStringSchema().NewRef()
	template := binding.Expand(func(v rest.Variable) string {
		field := rest.Field(binding.Method.Input(), v.Field)
		if v.Pattern == "*" {
			return add(v.Field, d.single(field), comment(field))
		}
		many, n := len(stars.FindAllString(v.Pattern, -1)) > 1, 0
		return stars.ReplaceAllStringFunc(v.Pattern, func(star string) string {
			name := v.Field
			if n++; many {
				name += fmt.Sprintf("_%d", n)
			}
			return add(name, text, wildcard(star, fmt.Sprintf("of %s, which is %s", v.Field, v.Pattern)))
		})
	})
	n := 0
	template = stars.ReplaceAllStringFunc(template, func(star string) string {
		n++
		return add(fmt.Sprintf("any_%d", n), text, wildcard(star, "of the path, which no field holds"))
	})
	shape := strings.ReplaceAll(binding.Pattern(), "**", "*")
	known, ok := d.paths[shape]
	if !ok {
		known.template = template
		for _, parameter := range parameters {
			known.names = append(known.names, parameter.Value.Name)
		}
		d.paths[shape] = known
	}
	for i, parameter := range parameters {
		parameter.Value.Name = known.names[i]
	}
	return known.template, parameters
}

func wildcard(star, of string) string {
	if star == "**" {
		return "All segments of the path that follow, slashes among them: the last part " + of + "."
	}
	return "One segment of the path: a part " + of + "."
}

// query lists the fields that are neither in the path nor in the body: with a body of
// the whole request, none.
func (d document) query(binding rest.Binding) openapi3.Parameters {
	if binding.Body == "*" {
		return nil
	}
	taken := map[string]bool{binding.Body: true}
	for _, v := range binding.Variables() {
		taken[v.Field] = true
	}
	var parameters openapi3.Parameters
	var add func(message protoreflect.MessageDescriptor, path, name string, within []protoreflect.FullName)
	add = func(message protoreflect.MessageDescriptor, path, name string, within []protoreflect.FullName) {
		if slices.Contains(within, message.FullName()) {
			return // it holds itself, and so has no end
		}
		for i := range message.Fields().Len() {
			field := message.Fields().Get(i)
			at, called := path+string(field.Name()), name+field.JSONName()
			switch {
			case taken[at] || field.IsMap() || behaves(field, annotations.FieldBehavior_OUTPUT_ONLY):
			case field.Message() == nil || wellKnownScalar(field.Message()):
				parameter := openapi3.NewQueryParameter(called).WithDescription(comment(field)).WithSchema(d.bare(field).Value)
				parameters = append(parameters, &openapi3.ParameterRef{Value: parameter.WithRequired(path == "" && required(field))})
			case !field.IsList() && !wellKnown(field.Message()):
				add(field.Message(), at+".", called+".", append(within, message.FullName()))
			}
		}
	}
	add(binding.Method.Input(), "", "", nil)
	return parameters
}

// comment returns the proto's comment before the declaration.
func comment(d protoreflect.Descriptor) string {
	text := d.ParentFile().SourceLocations().ByDescriptor(d).LeadingComments
	var lines []string
	for line := range strings.Lines(text) {
		lines = append(lines, strings.TrimPrefix(strings.TrimRight(line, " \t\r\n"), " "))
	}
	return strings.TrimSpace(strings.Join(lines, "\n"))
}
