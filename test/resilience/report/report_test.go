package report

import (
	"encoding/xml"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/grpc-edge/test/fault"
	"example.com/grpc-edge/test/steady"
)

func TestWrite(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	outcome := fault.Outcome{
		Key: "node", Kind: fault.Unplanned, Title: "A node <gone>", Promise: "no failed call", Sent: 300, Failed: 2,
		Before: 3 * time.Millisecond, During: 3 * time.Second, Happened: time.Second, Over: 2 * time.Second, Recovered: 1500 * time.Millisecond,
		Failures: map[string]int{"grpc: a `b`": 2}, Broken: []string{"0.67 % of the calls failed"},
		Buckets: []steady.Bucket{{Answered: 20, Slowest: time.Millisecond}, {}, {Answered: 18, Failed: 2, Slowest: 3 * time.Second}},
	}
	outcome.Series = []fault.Series{
		{What: "memory", App: "envoy", Every: time.Second, Values: []float64{10, 20}}, {What: "memory", App: "echo", Every: time.Second, Values: []float64{10, 20}},
	}
	outcome.Notes = []string{"a note"}
	outcome.Measured = time.Date(2026, 5, 2, 0, 0, 0, 0, time.UTC)
	// This outcome is of another run, which has drawn it.
	fine := fault.Outcome{Key: "scale", Kind: fault.Planned, Title: "Scale", Promise: "no failed call", Sent: 10, Measured: outcome.Measured.AddDate(0, 0, -1)}
	const drawn = "<svg/>"
	if err := errors.Join(os.Mkdir(filepath.Join(dir, folder), 0o755), os.WriteFile(filepath.Join(dir, file(fine)), []byte(drawn), 0o600)); err != nil {
		t.Fatal(err)
	}
	checks := []fault.Checked{
		{Title: "Push", Want: "refused", Took: time.Second, Measured: outcome.Measured}, {Title: "Pull", Want: "refused", Broken: "a\nb|c", Measured: outcome.Measured},
	}
	if err := Write(dir, "a machine", []fault.Outcome{outcome, fine}, checks); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "resilience.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| A node <gone> | no failed call | **broken**: 0.67 % of the calls failed | 300 | 2 | 0 | 3 ms | 3000 ms | 0 ms | 1.5 s |",
		"| Scale | no failed call | held | 10 | 0 | 0 | 0 ms | 0 ms | 0 ms | – |",
		"| Push | refused | held | 1.0 s |", `| Pull | refused | **broken**: a b\|c | 0.0 s |`,
		"- a note\n- 2 × `grpc: a 'b'`", `src="resilience/node-resources.svg"`, `src="resilience/node.svg"`, `src="resilience/scale.svg"`, "a machine; 2026-05-01 to 2026-05-02.",
	} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the page has no %q:\n%s", want, text)
		}
	}
	if kept, err := os.ReadFile(filepath.Join(dir, file(fine))); err != nil || string(kept) != drawn {
		t.Errorf("the timeline of another run became %q, %v", kept, err)
	}
	for _, key := range []string{"node", "node-resources"} {
		drawn, err := os.ReadFile(filepath.Join(dir, "resilience", key+".svg"))
		if err != nil {
			t.Fatal(err)
		}
		for decoder := xml.NewDecoder(strings.NewReader(string(drawn))); ; {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s.svg: %v", key, err)
			}
		}
	}
}

func TestRefusedCallsHaveAColumn(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	outcome := fault.Outcome{
		Key: "overload", Kind: fault.Load, Title: "Overload", Promise: "what is too much refused", Sent: 30, Refused: 10, Recovered: time.Second,
		Buckets: []steady.Bucket{{Answered: 20, Refused: 10}},
	}
	if err := Write(dir, "a machine", []fault.Outcome{outcome}, nil); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "resilience.md"))
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"| sent | failed | refused | retried |", "| held | 30 | 0 | 10 | 0 | 0 ms | 0 ms | 0 ms | 1.0 s |"} {
		if !strings.Contains(string(text), want) {
			t.Errorf("the page has no %q:\n%s", want, text)
		}
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	o := fault.Outcome{Buckets: slices.Repeat([]steady.Bucket{{Answered: 1, Failed: 2, Refused: 3, Slowest: time.Second}}, 1205)}
	if each := merge(&o); each != time.Second || len(o.Buckets) != 121 {
		t.Errorf("merge() makes %d columns of %s, want 121 of 1 s", len(o.Buckets), each)
	}
	if want := (steady.Bucket{Answered: 10, Failed: 20, Refused: 30, Slowest: time.Second}); o.Buckets[0] != want || o.Buckets[120].Answered != 5 {
		t.Errorf("merge() = %+v … %+v, want %+v", o.Buckets[0], o.Buckets[120], want)
	}
}

func TestPaths(t *testing.T) {
	t.Parallel()
	d := drawing{Outcome: fault.Outcome{Buckets: []steady.Bucket{{Answered: 2, Slowest: 10 * time.Millisecond}, {Answered: 1, Failed: 1, Slowest: time.Second}}}}
	d.paths(10, 2, time.Second)
	for name, test := range map[string]struct{ got, want string }{
		"answered": {d.Answered, "M60.0 156.0V56.0h10.00V156.0zM70.0 156.0V106.0h10.00V156.0z"},
		"failed":   {d.FailedBars, "M70.0 106.0V56.0h10.00V106.0z"},
		"slowest":  {d.Slowest, "M70.0 264.0V184.0h10.00V264.0z"},
	} {
		if test.got != test.want {
			t.Errorf("%s: %s, want %s", name, test.got, test.want)
		}
	}
}
