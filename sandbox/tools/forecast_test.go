package tools

import (
	"strings"
	"testing"
)

func TestForecast(t *testing.T) {
	t.Parallel()
	tools := In(t.TempDir())
	first := tools.Forecast(2)
	for _, want := range []string{"min with 2 cores", "from package registries", "kubernetes, pulumi", Program} {
		if !strings.Contains(first, want) {
			t.Errorf("the forecast lacks %q:\n%s", want, first)
		}
	}
	for line := range strings.Lines(first) {
		if len(line) > 80 {
			t.Errorf("a line is %d characters long: %s", len(line), line)
		}
	}
	for _, name := range append(Modules(), "packages", "envoy") {
		if firstTime[name] == (Work{}) {
			t.Errorf("it is not known what %s takes", name)
		}
		if err := tools.Done(name); err != nil {
			t.Fatal(err)
		}
	}
	if rest := tools.Forecast(2); !strings.Contains(rest, "Compiled: "+Program+"\n") {
		t.Errorf("the program alone is left, and the forecast says:\n%s", rest)
	}
	if tools.Left(Program).On(4) >= tools.Left(Program).On(2) {
		t.Error("more cores do not help")
	}
	if err := tools.Done(Program); err != nil {
		t.Fatal(err)
	}
	if got := tools.Forecast(2); got != "" {
		t.Errorf("everything is built, and the forecast says:\n%s", got)
	}
}

func TestAtOnce(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		cores, gib, want int
	}{{2, 23, 2}, {8, 10, 2}, {8, 64, 8}, {4, 16, 3}, {4, 2, 1}} {
		if got := AtOnce(test.cores, uint64(test.gib)<<30); got != test.want {
			t.Errorf("AtOnce(%d, %d GiB) = %d, want %d", test.cores, test.gib, got, test.want)
		}
	}
}
