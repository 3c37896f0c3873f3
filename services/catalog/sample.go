package catalog

import (
	"bytes"
	"encoding/json"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/dynamicpb"
)

const (
	// word is the value of text fields in a sample.
	word = "hello"
	// maxDepth is the maximum depth of filled-in required fields, for messages that
	// require themselves.
	maxDepth = 20
)

// Sample returns a request as JSON. It sets every text field of the first level and all
// required fields. It returns false for a message of which it can make no sample.
func Sample(message protoreflect.MessageDescriptor) (string, bool) {
	request := dynamicpb.NewMessage(message)
	if !fillRequired(request, maxDepth) {
		return "", false
	}
	fillText(request)
	content, err := protojson.Marshal(request)
	if err != nil || protojson.Unmarshal(content, dynamicpb.NewMessage(message)) != nil {
		return "", false
	}
	// protojson's white space differs from build to build on purpose; an output of a stack must not.
	var compact bytes.Buffer
	if err := json.Compact(&compact, content); err != nil {
		return "", false
	}
	return compact.String(), true
}

// wellKnown reports whether the message has a special form in JSON, in which a word
// may be invalid. Of these messages only StringValue and Value accept one.
func wellKnown(message protoreflect.MessageDescriptor) bool {
	name := message.FullName()
	return name.Parent() == "google.protobuf" && name.Name() != "StringValue" && name.Name() != "Value"
}

// fillText puts the word into each single text field, and of a oneof into its first.
func fillText(message *dynamicpb.Message) {
	if wellKnown(message.Descriptor()) {
		return
	}
	fields := message.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if field.Kind() != protoreflect.StringKind || field.IsList() || message.Has(field) {
			continue
		}
		if oneof := field.ContainingOneof(); oneof == nil || message.WhichOneof(oneof) == nil {
			message.Set(field, protoreflect.ValueOfString(word))
		}
	}
}

// fillRequired sets the required fields of proto2 and of editions at all levels. It
// returns false if they are nested deeper than maxDepth.
func fillRequired(message *dynamicpb.Message, depth int) bool {
	fields := message.Descriptor().Fields()
	for i := range fields.Len() {
		field := fields.Get(i)
		if field.Cardinality() != protoreflect.Required {
			continue
		}
		if field.Message() == nil {
			message.Set(field, scalar(field))
			continue
		}
		inner := dynamicpb.NewMessage(field.Message())
		if depth == 0 || !fillRequired(inner, depth-1) {
			return false
		}
		fillText(inner)
		message.Set(field, protoreflect.ValueOfMessage(inner))
	}
	return proto.CheckInitialized(message) == nil
}

// scalar returns the default of a field, which for a text is the word.
func scalar(field protoreflect.FieldDescriptor) protoreflect.Value {
	if field.Kind() == protoreflect.StringKind && !field.HasDefault() {
		return protoreflect.ValueOfString(word)
	}
	return field.Default()
}
