package envoy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"

	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protopath"
	"google.golang.org/protobuf/reflect/protorange"
	"google.golang.org/protobuf/types/known/anypb"
)

// message is a protobuf message with the validator that go-control-plane
// generates from the rules in Envoy's API.
type message interface {
	proto.Message
	ValidateAll() error
}

// render validates the message and writes it as JSON, which Envoy reads in half the time and
// with half the memory that YAML takes, with a line for each value, so that a change can be
// read. Writing it twice drops the spaces that protojson adds at random.
func render(m message) (string, error) {
	if err := validateMessage(m); err != nil {
		return "", err
	}
	text, err := protojson.MarshalOptions{UseProtoNames: true}.Marshal(m)
	if err != nil {
		return "", err
	}
	var compact, lines bytes.Buffer
	if err := errors.Join(json.Compact(&compact, text), json.Indent(&lines, compact.Bytes(), "", " ")); err != nil {
		return "", err
	}
	return lines.String() + "\n", nil
}

// Compact returns one of [Files] without the white space that makes it readable, which is
// half of a large file. Envoy reads it as the same.
func Compact(file string) (string, error) {
	var compact bytes.Buffer
	err := json.Compact(&compact, []byte(file))
	return compact.String(), err
}

// validateMessage also validates the extensions: to the generated validators
// they are opaque, being packed in Any.
func validateMessage(m message) error {
	errs := []error{m.ValidateAll()}
	err := protorange.Range(m.ProtoReflect(), func(values protopath.Values) error {
		if values.Path.Index(-1).Kind() != protopath.AnyExpandStep {
			return nil
		}
		extension, ok := values.Index(-1).Value.Message().Interface().(message)
		if !ok {
			return nil
		}
		if err := extension.ValidateAll(); err != nil {
			errs = append(errs, fmt.Errorf("%s: %w", values.Path, err))
		}
		return nil
	})
	return errors.Join(append(errs, err)...)
}

// typed packs the configuration of an extension. The only thing that cannot be
// packed is text that is not UTF-8, which [Config] does not let through.
func typed(m message) *anypb.Any {
	packed, err := anypb.New(m)
	if err != nil {
		panic(fmt.Sprintf("packing %T: %v", m, err))
	}
	return packed
}
