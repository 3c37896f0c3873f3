package tools

import (
	"strings"
	"testing"
)

func TestForecast(t *testing.T) {
	t.Parallel()
	tools := unbuilt(t)
	first := tools.Forecast(append(Stages(), Program), 2, 16e9)
	for _, want := range []string{"min with 2 cores and 16 GB of free memory", "from package registries", "kubernetes, pulumi", Program} {
		if !strings.Contains(first, want) {
			t.Errorf("the forecast lacks %q:\n%s", want, first)
		}
	}
	if alone := tools.Forecast(Stages(), 2, 16e9); alone == "" || strings.Contains(alone, Program) {
		t.Errorf("the tools alone are not forecast:\n%s", alone)
	}
	if tools.Expect(Program, 2, 4e9) <= tools.Expect(Program, 2, 16e9) {
		t.Error("with memory for one compiler the program takes as long as with two")
	}
	for line := range strings.Lines(first) {
		if len(line) > 80 {
			t.Errorf("a line is %d characters long: %s", len(line), line)
		}
	}
	for _, name := range Stages() {
		if firstTime[name] == (Work{}) {
			t.Errorf("it is not known what %s takes", name)
		}
		tools.finish(t, name)
	}
	if rest := tools.Forecast(append(Stages(), Program), 2, 16e9); !strings.Contains(rest, "Compiled: "+Program+"\n") {
		t.Errorf("the program alone is left, and the forecast says:\n%s", rest)
	}
	if tools.Left(Program).On(4) >= tools.Left(Program).On(2) {
		t.Error("more cores do not help")
	}
	versions, err := tools.versions(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for what, stamp := range map[string]string{"Go's cache was emptied": versions + "\n/nowhere/a-package", "an SDK was updated": "others"} {
		if err := tools.done(Program, stamp); err != nil {
			t.Fatal(err)
		}
		if tools.Left(Program) == (Work{}) {
			t.Errorf("nothing is left to compile after %s", what)
		}
	}
	if err := tools.done(Program, versions); err != nil {
		t.Fatal(err)
	}
	if got := tools.Forecast(append(Stages(), Program), 2, 16e9); got != "" {
		t.Errorf("everything is built, and the forecast says:\n%s", got)
	}
}
