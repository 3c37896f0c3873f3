package openapi

import (
	"fmt"
	"strings"

	"github.com/getkin/kin-openapi/openapi3"
	"google.golang.org/genproto/googleapis/api/annotations"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
)

// wellKnown reports whether a message has a form of its own in JSON (ProtoJSON,
// "Well-known types").
func wellKnown(message protoreflect.MessageDescriptor) bool { return wellKnownSchema(message) != nil }

// wellKnownScalar reports whether that form is one value, which a query may hold.
func wellKnownScalar(message protoreflect.MessageDescriptor) bool {
	schema := wellKnownSchema(message)
	return schema != nil && schema.Type != nil && !schema.Type.Is(openapi3.TypeObject) && !schema.Type.Is(openapi3.TypeArray)
}

func wellKnownSchema(message protoreflect.MessageDescriptor) *openapi3.Schema {
	if message.FullName().Parent() != "google.protobuf" {
		return nil
	}
	switch name := string(message.FullName().Name()); name {
	case "Timestamp":
		return openapi3.NewStringSchema().WithFormat("date-time")
	case "Duration":
		s := openapi3.NewStringSchema()
		s.Description = "Seconds, followed by s, such as 1.5s."
		return s
	case "FieldMask":
		s := openapi3.NewStringSchema()
		s.Description = "Names of fields, with commas between them."
		return s
	case "Any":
		s := openapi3.NewObjectSchema().WithProperty("@type", openapi3.NewStringSchema())
		s.Description = "A message of any type, which @type names."
		return s.WithAnyAdditionalProperties()
	case "Struct":
		return openapi3.NewObjectSchema().WithAnyAdditionalProperties()
	case "Empty":
		return openapi3.NewObjectSchema()
	case "Value":
		return openapi3.NewSchema()
	case "ListValue":
		return list(openapi3.NewSchema().NewRef()).Value
	case "DoubleValue", "FloatValue", "Int64Value", "UInt64Value", "Int32Value", "UInt32Value", "BoolValue", "StringValue", "BytesValue":
		s := scalar(message.Fields().ByNumber(1))
		s.Nullable = true
		return s
	}
	return nil
}

// message returns the schema of a message: a reference to the components, where it is
// put if it is not there.
func (d document) message(message protoreflect.MessageDescriptor) *openapi3.SchemaRef {
	if schema := wellKnownSchema(message); schema != nil {
		return schema.NewRef()
	}
	name := string(message.FullName())
	if d.Components.Schemas[name] == nil {
		ref := openapi3.NewObjectSchema().NewRef()
		d.Components.Schemas[name] = ref // before its fields, which may be of the same type
		ref.Value = d.object(message)
	}
	return openapi3.NewSchemaRef("#/components/schemas/"+name, d.Components.Schemas[name].Value)
}

// object returns the schema of a message itself.
func (d document) object(message protoreflect.MessageDescriptor) *openapi3.Schema {
	if schema := wellKnownSchema(message); schema != nil {
		return schema
	}
	schema := openapi3.NewObjectSchema()
	schema.Description = comment(message)
	for i := range message.Fields().Len() {
		field := message.Fields().Get(i)
		schema.WithPropertyRef(field.JSONName(), d.field(field))
		if required(field) {
			schema.Required = append(schema.Required, field.JSONName())
		}
	}
	for i := range message.Oneofs().Len() {
		if oneof := message.Oneofs().Get(i); !oneof.IsSynthetic() {
			schema.Description = strings.TrimSpace(schema.Description + "\n" + atMostOne(oneof))
		}
	}
	return schema
}

func atMostOne(oneof protoreflect.OneofDescriptor) string {
	var names []string
	for i := range oneof.Fields().Len() {
		names = append(names, oneof.Fields().Get(i).JSONName())
	}
	return fmt.Sprintf("At most one of %s may be set.", strings.Join(names, ", "))
}

// field returns the schema of a field with its comment and options.
func (d document) field(field protoreflect.FieldDescriptor) *openapi3.SchemaRef {
	ref := d.bare(field)
	options, _ := field.Options().(*descriptorpb.FieldOptions)
	text := comment(field)
	output, input := behaves(field, annotations.FieldBehavior_OUTPUT_ONLY), behaves(field, annotations.FieldBehavior_INPUT_ONLY)
	if text == "" && !options.GetDeprecated() && !output && !input {
		return ref
	}
	if ref.Ref != "" { // beside a reference nothing else counts
		ref = (&openapi3.Schema{AllOf: openapi3.SchemaRefs{ref}}).NewRef()
	}
	if text != "" {
		ref.Value.Description = text
	}
	ref.Value.Deprecated, ref.Value.ReadOnly, ref.Value.WriteOnly = options.GetDeprecated(), output, input
	return ref
}

// required reports whether a request must have the field.
func required(field protoreflect.FieldDescriptor) bool {
	return field.Cardinality() == protoreflect.Required || behaves(field, annotations.FieldBehavior_REQUIRED)
}

// behaves reports whether google.api.field_behavior lists the behavior for the field (AIP-203).
func behaves(field protoreflect.FieldDescriptor, behavior annotations.FieldBehavior) bool {
	listed := field.Options().ProtoReflect().Get(annotations.E_FieldBehavior.TypeDescriptor()).List()
	for i := range listed.Len() {
		if listed.Get(i).Enum() == behavior.Number() {
			return true
		}
	}
	return false
}

// bare returns the schema of a field without its comment.
func (d document) bare(field protoreflect.FieldDescriptor) *openapi3.SchemaRef {
	switch {
	case field.IsMap():
		schema := openapi3.NewObjectSchema()
		schema.AdditionalProperties.Schema = d.single(field.MapValue())
		return schema.NewRef()
	case field.IsList():
		return list(d.single(field))
	}
	return d.single(field)
}

// single returns the schema of one value of a field.
func (d document) single(field protoreflect.FieldDescriptor) *openapi3.SchemaRef {
	if field.Message() != nil {
		return d.message(field.Message())
	}
	return scalar(field).NewRef()
}

// scalar returns how ProtoJSON writes a value that is no message.
func scalar(field protoreflect.FieldDescriptor) *openapi3.Schema {
	switch field.Kind() {
	case protoreflect.BoolKind:
		return openapi3.NewBoolSchema()
	case protoreflect.Int32Kind, protoreflect.Sint32Kind, protoreflect.Sfixed32Kind:
		return openapi3.NewInt32Schema()
	case protoreflect.Uint32Kind, protoreflect.Fixed32Kind:
		return openapi3.NewIntegerSchema().WithMin(0)
	case protoreflect.Int64Kind, protoreflect.Sint64Kind, protoreflect.Sfixed64Kind:
		return openapi3.NewStringSchema().WithFormat("int64")
	case protoreflect.Uint64Kind, protoreflect.Fixed64Kind:
		return openapi3.NewStringSchema().WithFormat("uint64")
	case protoreflect.FloatKind:
		return openapi3.NewFloat64Schema().WithFormat("float")
	case protoreflect.DoubleKind:
		return openapi3.NewFloat64Schema().WithFormat("double")
	case protoreflect.BytesKind:
		return openapi3.NewBytesSchema()
	case protoreflect.EnumKind:
		return enum(field.Enum())
	default:
		return openapi3.NewStringSchema()
	}
}

func enum(enum protoreflect.EnumDescriptor) *openapi3.Schema {
	if enum.FullName() == "google.protobuf.NullValue" {
		return &openapi3.Schema{Nullable: true, Description: "null"}
	}
	schema := openapi3.NewStringSchema()
	for i := range enum.Values().Len() {
		schema.Enum = append(schema.Enum, string(enum.Values().Get(i).Name()))
	}
	return schema
}
