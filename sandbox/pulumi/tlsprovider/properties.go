package tlsprovider

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"

	"google.golang.org/protobuf/types/known/structpb"
)

// outputs copies the properties, with those that are always secret marked.
func (k kind) outputs(properties *structpb.Struct) *structpb.Struct {
	out := &structpb.Struct{Fields: maps.Clone(properties.GetFields())}
	for _, name := range k.secrets {
		if value, set := out.Fields[name]; set {
			out.Fields[name] = secretValue(value)
		}
	}
	return out
}

// decode reads inputs over their defaults; one that no stack sets is an error.
func decode(k kind, properties *structpb.Struct) (resource, error) {
	text, err := properties.MarshalJSON()
	if err != nil {
		return nil, fmt.Errorf("reading inputs: %w", err)
	}
	inputs := k.inputs()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(inputs); err != nil {
		return nil, fmt.Errorf("reading inputs (the sandbox has only those that stacks set): %w", err)
	}
	return inputs, nil
}

func encode(inputs resource) (*structpb.Struct, error) {
	text, err := json.Marshal(inputs)
	if err != nil {
		return nil, fmt.Errorf("writing outputs: %w", err)
	}
	out := &structpb.Struct{}
	if err := out.UnmarshalJSON(text); err != nil {
		return nil, fmt.Errorf("writing outputs: %w", err)
	}
	return out, nil
}
