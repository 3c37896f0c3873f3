package report

import (
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestTable(t *testing.T) {
	t.Parallel()
	table := Table{Columns: []string{"", "value"}}
	table.Add("a|b", "1\n2")
	if got, want := table.String(), "|  | value |\n|---|---|\n| a\\|b | 1 2 |\n"; got != want {
		t.Errorf("the table is\n%s\nwant\n%s", got, want)
	}
}

func TestVerdicts(t *testing.T) {
	t.Parallel()
	promise := Verdict{What: "a drain", Wanted: "no failed call"}
	broken := promise
	broken.Broken = []string{"one failed", "one was late"}
	long := promise
	long.Broken = []string{strings.Repeat("–", mostBytes)}
	list := []Verdict{promise, broken, long, AtLeast("a", .95, .95), AtLeast("a", .94, .95), AtMost("b", 1.05, 1.05), AtMost("b", 1.06, 1.05)}
	for i, want := range []string{"held", "**broken**: one failed; one was late", "**broken**: " + strings.Repeat("–", mostBytes/3) + "…", "0.95 met", "**0.94 missed**", "1.05 met", "**1.06 missed**"} {
		if got := list[i].Markdown(); got != want {
			t.Errorf("%+v is %q, want %q", list[i], got, want)
		}
	}
	want := []string{"a drain: one failed; one was late", "a drain: " + long.Broken[0], "a: 0.940, wanted ≥ 0.95", "b: 1.060, wanted ≤ 1.05"}
	if got := Broken(list); !slices.Equal(got, want) {
		t.Errorf("Broken() = %q, want %q", got, want)
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	for want, values := range map[float64][]float64{2.5: {4, 1, 2, 3}, 2: {5, 1, 2}, 0: nil} {
		if got := Median(values); got != want {
			t.Errorf("Median(%v) = %v, want %v", values, got, want)
		}
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for got, want := range map[string]string{
		Thousands(0): "0", Thousands(999.6): "1,000", Thousands(1234567): "1,234,567", Thousands(123): "123",
		Milliseconds(1234 * time.Microsecond): "1.23 ms", Milliseconds(12 * time.Millisecond): "12.0 ms", Milliseconds(time.Second): "1000 ms",
		Percent(.126): "13 %", Megabytes(84_900_000.0): "85 MB", Megabytes(int64(7_640_000)): "7.6 MB", Gigabytes(uint64(3.3e9)): "3.3 GB",
		Seconds(2.04): "2.0 s", Duration(119 * time.Second): "119.0 s", Duration(17*time.Minute + 9900*time.Millisecond): "17 min 10 s",
	} {
		if got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}

func TestSavedResultsAreLoaded(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "results.json")
	saved := AtMost("what", 2, 1)
	if loaded, err := Load[Verdict](file); err != nil || !reflect.DeepEqual(loaded, Verdict{}) {
		t.Errorf("without a file: %+v, %v", loaded, err)
	}
	if err := Save(file, saved); err != nil {
		t.Fatal(err)
	}
	if loaded, err := Load[Verdict](file); err != nil || !reflect.DeepEqual(loaded, saved) {
		t.Errorf("loaded %+v, %v, want %+v", loaded, err, saved)
	}
}
