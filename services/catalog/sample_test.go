package catalog

import (
	"testing"

	"google.golang.org/protobuf/encoding/prototext"
	"google.golang.org/protobuf/reflect/protodesc"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"
	_ "google.golang.org/protobuf/types/known/anypb"
	_ "google.golang.org/protobuf/types/known/durationpb"
	_ "google.golang.org/protobuf/types/known/emptypb"
	_ "google.golang.org/protobuf/types/known/fieldmaskpb"
	_ "google.golang.org/protobuf/types/known/structpb"
	_ "google.golang.org/protobuf/types/known/timestamppb"
	_ "google.golang.org/protobuf/types/known/wrapperspb"
)

// requests are messages of proto2, which has all that proto3 has but optional.
const requests = `
name: "requests.proto" package: "test" dependency: "google/protobuf/any.proto" dependency: "google/protobuf/struct.proto"
enum_type { name: "Colour" value { name: "RED" number: 3 } }
message_type { name: "Plain"
  field { name: "text_field" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
  field { name: "list" number: 2 label: LABEL_REPEATED type: TYPE_STRING }
  field { name: "number" number: 3 label: LABEL_OPTIONAL type: TYPE_INT64 }
  field { name: "any" number: 4 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".google.protobuf.Any" }
}
message_type { name: "Required"
  field { name: "text" number: 1 label: LABEL_REQUIRED type: TYPE_STRING }
  field { name: "number" number: 2 label: LABEL_REQUIRED type: TYPE_INT64 }
  field { name: "colour" number: 3 label: LABEL_REQUIRED type: TYPE_ENUM type_name: ".test.Colour" }
  field { name: "inner" number: 4 label: LABEL_REQUIRED type: TYPE_MESSAGE type_name: ".test.Plain" }
  field { name: "preset" number: 5 label: LABEL_REQUIRED type: TYPE_STRING default_value: "it's" }
  field { name: "any" number: 6 label: LABEL_REQUIRED type: TYPE_MESSAGE type_name: ".google.protobuf.Any" }
}
message_type { name: "Value"
  field { name: "value" number: 1 label: LABEL_REQUIRED type: TYPE_MESSAGE type_name: ".google.protobuf.Value" }
}
message_type { name: "Endless"
  field { name: "next" number: 1 label: LABEL_REQUIRED type: TYPE_MESSAGE type_name: ".test.Endless" }
}
message_type { name: "Recursive"
  field { name: "text" number: 1 label: LABEL_OPTIONAL type: TYPE_STRING }
  field { name: "next" number: 2 label: LABEL_OPTIONAL type: TYPE_MESSAGE type_name: ".test.Recursive" }
}
message_type { name: "Oneof"
  field { name: "id" number: 1 label: LABEL_OPTIONAL type: TYPE_INT64 oneof_index: 0 }
  field { name: "name" number: 2 label: LABEL_OPTIONAL type: TYPE_STRING oneof_index: 0 }
  field { name: "title" number: 3 label: LABEL_OPTIONAL type: TYPE_STRING oneof_index: 0 }
  oneof_decl { name: "key" }
}`

// TestSample has a request of each kind, and "" where there can be none.
func TestSample(t *testing.T) {
	t.Parallel()
	file := &descriptorpb.FileDescriptorProto{}
	if err := prototext.Unmarshal([]byte(requests), file); err != nil {
		t.Fatal(err)
	}
	compiled, err := protodesc.NewFile(file, protoregistry.GlobalFiles)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[protoreflect.FullName]string{
		"test.Plain":                  `{"textField":"hello"}`,
		"test.Required":               `{"text":"hello","number":"0","colour":"RED","inner":{"textField":"hello"},"preset":"it's","any":{}}`,
		"test.Endless":                "",
		"test.Value":                  `{"value":"hello"}`,
		"test.Recursive":              `{"text":"hello"}`,
		"test.Oneof":                  `{"name":"hello"}`,
		"google.protobuf.StringValue": `"hello"`,
		"google.protobuf.Int64Value":  `"0"`,
		"google.protobuf.BoolValue":   `false`,
		"google.protobuf.Any":         `{}`,
		"google.protobuf.Empty":       `{}`,
		"google.protobuf.Struct":      `{}`,
		"google.protobuf.ListValue":   `[]`,
		"google.protobuf.Value":       `"hello"`,
		"google.protobuf.Timestamp":   `"1970-01-01T00:00:00Z"`,
		"google.protobuf.Duration":    `"0s"`,
		"google.protobuf.FieldMask":   `""`,
	} {
		message := compiled.Messages().ByName(name.Name())
		if name.Parent() != "test" {
			found, err := protoregistry.GlobalFiles.FindDescriptorByName(name)
			if err != nil {
				t.Fatal(err)
			}
			message = found.(protoreflect.MessageDescriptor)
		}
		if got, ok := Sample(message); got != want || ok != (want != "") {
			t.Errorf("Sample(%s) = %s, %v, want %s", name, got, ok, want)
		}
	}
}
