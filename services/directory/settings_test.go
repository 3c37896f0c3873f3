package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/grpc/interop/grpc_testing"
	"google.golang.org/protobuf/reflect/protoreflect"
)

func TestSettings(t *testing.T) {
	t.Parallel()
	environment := map[string]string{
		"DESCRIPTORS": descriptors(t, grpc_testing.File_grpc_testing_test_proto),
		"BACKENDS":    served + "=dns:///a.example.:8080," + other + "=b.example:1?x=y",
	}
	s, err := readSettings(func(name string) string { return environment[name] })
	if err != nil {
		t.Fatal(err)
	}
	if len(s.targets) != 2 || s.targets[served] != "dns:///a.example.:8080" || s.targets[other] != "b.example:1?x=y" {
		t.Errorf("targets = %v, want both", s.targets)
	}
}

func TestWrongSettings(t *testing.T) {
	t.Parallel()
	set := descriptors(t, grpc_testing.File_grpc_testing_test_proto)
	noSet, notPacked := pack(t, []byte("no descriptors")), filepath.Join(t.TempDir(), "text")
	if err := os.WriteFile(notPacked, []byte("no descriptors"), 0o600); err != nil {
		t.Fatal(err)
	}
	const right = served + "=a.example:1"
	for name, test := range map[string]struct {
		descriptors, backends string
		want                  []string
	}{
		"nothing set":     {"", "", []string{`DESCRIPTORS=""`, `BACKENDS has ""`}},
		"no file":         {"/no/such", right, []string{`DESCRIPTORS="/no/such"`, "no such file"}},
		"no set":          {noSet, right, []string{"DESCRIPTORS="}},
		"not packed":      {notPacked, right, []string{"DESCRIPTORS=", "gzip"}},
		"missing import":  {write(t, extending), right, []string{"DESCRIPTORS=", "google/protobuf/descriptor.proto"}},
		"both wrong":      {"/no/such", "x", []string{"DESCRIPTORS=", `BACKENDS has "x"`}},
		"no target":       {set, served + "=", []string{`BACKENDS has "` + served + `="`}},
		"no name":         {set, "=a.example:1", []string{`BACKENDS has "=a.example:1"`}},
		"not a name":      {set, "a/b=a.example:1", []string{`BACKENDS has "a/b=a.example:1"`}},
		"twice":           {set, right + "," + served + "=b", []string{"has " + served + " twice", `"a.example:1"`, `"b"`}},
		"unknown service": {set, "no.Such=a.example:1", []string{"no.Such"}},
		"a message":       {set, "grpc.testing.Empty=a.example:1", []string{"grpc.testing.Empty"}},
		"all wrong ones":  {set, "no.Such=a,x," + right, []string{"no.Such", `"x"`}},
	} {
		_, err := readSettings(func(variable string) string {
			return map[string]string{"DESCRIPTORS": test.descriptors, "BACKENDS": test.backends}[variable]
		})
		if err == nil {
			t.Errorf("%s: no error", name)
			continue
		}
		for _, want := range test.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: the error has no %q:\n%v", name, want, err)
			}
		}
	}
}

func TestATargetThatGRPCRefuses(t *testing.T) {
	t.Parallel()
	if _, err := connect(map[protoreflect.FullName]string{served: "%zz"}); err == nil || !strings.Contains(err.Error(), served) {
		t.Errorf("connect() = %v, want an error about %s", err, served)
	}
}
