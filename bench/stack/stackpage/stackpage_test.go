package stackpage

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"example.com/grpc-edge/measure/machine"
	"example.com/grpc-edge/measure/report"
	"example.com/grpc-edge/measure/report/reporttest"
)

// sample returns results that miss a target: memory grows faster than services.
func sample() Results {
	times := func(list ...int) (times []time.Duration) {
		for _, ms := range list {
			times = append(times, time.Duration(ms)*time.Millisecond)
		}
		return times
	}
	return Results{
		Date:    time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC),
		Machine: machine.Description{CPUs: 2, Model: "Sample CPU", Memory: "25 GB", Kernel: "Linux 6.1, amd64", Load: "0.10"},
		Empty:   times(1600, 1500, 1700), Whole: times(2400, 2600, 3300), Checked: times(4100, 4000, 4200),
		Again: 8 * time.Second, Memory: 1.3e9, Rebuilt: Build{13 * time.Second, 3.3e9},
		Images: []Size{{"echo", 7_600_000}, {"envoy", 43_600_000}},
		Scales: []Scale{
			{Services: 2, Resources: 90, Up: 25 * time.Second, Down: 30 * time.Second, Previews: times(2500, 2400, 2600), Uncached: 6 * time.Second, Program: 200e6, Engine: 250e6, State: 300_000},
			{Services: 10, Resources: 150, Up: 33 * time.Second, Down: 31 * time.Second, Previews: times(3300, 3200, 3400), Uncached: 14 * time.Second, Program: 208e6, Engine: 260e6, State: 380_000},
			{Services: 100, Resources: 800, Up: 200 * time.Second, Down: 90 * time.Second, Previews: times(12300, 12200, 12400), Uncached: 130 * time.Second, Program: 388e6, Engine: 400e6, State: 1_280_000},
		},
		Cold: &Cold{
			Date: time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC), Up: 17*time.Minute + 9*time.Second + 900*time.Millisecond,
			Builds: []Variant{{"as it is", "as it is", Build{290 * time.Second, 9e9}}, {"one at a time", "-p 1", Build{300 * time.Second, 6e9}}},
		},
	}
}

// TestFiles compares the files with testdata.
func TestFiles(t *testing.T) {
	t.Parallel()
	files, err := sample().Files("### Notes\n\nWritten by hand.\n")
	if err != nil {
		t.Fatal(err)
	}
	reporttest.Golden(t, files)
}

// TestWithoutCold writes the page of a first run, which has no results of empty caches.
func TestWithoutCold(t *testing.T) {
	t.Parallel()
	r := sample()
	r.Cold, r.Scales = nil, r.Scales[:2]
	files, err := r.Files("")
	if err != nil {
		t.Fatal(err)
	}
	if _, drawn := files["benchmark-stack-build.svg"]; drawn || strings.Contains(files["benchmark-stack.md"], "empty cache") {
		t.Errorf("the page tells of empty caches:\n%s", files["benchmark-stack.md"])
	}
	if got := r.targets(); len(got) != 1 {
		t.Errorf("targets = %+v, want that of the floor only: two scales are a line", got)
	}
}

func TestTargets(t *testing.T) {
	t.Parallel()
	var got []string
	for _, target := range sample().targets() {
		got = append(got, target.Markdown())
	}
	if want := "**1.62 missed**, 1.00 met, **2.00 missed**, 1.00 met"; strings.Join(got, ", ") != want {
		t.Errorf("verdicts = %s, want %s", strings.Join(got, ", "), want)
	}
}

// TestWrite replaces the README's table, keeps the text around it, and reads back saved
// results.
func TestWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	readme := filepath.Join(dir, "README.md")
	if err := os.WriteFile(readme, []byte("before\n"+begin+"\nold\n"+end+"\nafter\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := report.Save(filepath.Join(dir, "results.json"), sample()); err != nil {
		t.Fatal(err)
	}
	r, err := Read(filepath.Join(dir, "results.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Write(dir, "notes"); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(readme)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"before\n" + begin + "\n\n| what | measured |\n|---|---|\n", "\n" + end + "\nafter\n",
		"| `make up`, first time: empty caches, everything fetched and compiled | 17 min 10 s |",
		"| `make preview`, no change | 4.1 s |", "| image of `echo`, compressed | 7.6 MB |",
		"| `infra` built again after a change in it | 13.0 s, 3.3 GB of memory at its peak |",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("README.md lacks %q:\n%s", want, text)
		}
	}
	if strings.Contains(string(text), "old") {
		t.Errorf("README.md still has what was measured before:\n%s", text)
	}
	if err := os.WriteFile(readme, []byte("no table"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := r.Write(dir, ""); err == nil || !strings.Contains(err.Error(), "README.md lacks the lines") {
		t.Errorf("without a place for the table: %v", err)
	}
	if r, err := Read(filepath.Join(dir, "nowhere")); err != nil || r.Cold != nil {
		t.Errorf("without results: %+v, %v", r, err)
	}
}

// TestPut checks that a row that is measured again replaces the old one, and others stay.
func TestPut(t *testing.T) {
	t.Parallel()
	r := Results{Scales: []Scale{{Services: 2, Resources: 1}, {Services: 100, Resources: 2}}}
	for _, scale := range []Scale{{Services: 10, Resources: 3}, {Services: 2, Resources: 4}} {
		r.Put(scale)
	}
	want := []Scale{{Services: 2, Resources: 4}, {Services: 10, Resources: 3}, {Services: 100, Resources: 2}}
	if !reflect.DeepEqual(r.Scales, want) {
		t.Errorf("the rows are %+v, want %+v", r.Scales, want)
	}
}
