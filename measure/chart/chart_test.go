package chart

import (
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"gotest.tools/v3/golden"

	"example.com/grpc-edge/measure/loadgen"
)

// TestCharts compares a chart of each kind with testdata, and reads each as XML.
func TestCharts(t *testing.T) {
	t.Parallel()
	whole := func(v float64) string { return strconv.Itoa(int(v)) }
	for name, got := range map[string]string{
		"bars": Bars{
			Title: "Bars <more is better>", Description: "Two panels.", Rows: []string{"this", "that"}, Accent: 1,
			Panels: []Panel{{"left", []float64{1, 4}, whole}, {"right", []float64{0, 0}, whole}},
		}.SVG(),
		"timeline": Timeline{
			Title: "A node is gone", Description: "40 calls.", Happened: 100 * time.Millisecond, Over: 200 * time.Millisecond,
			Calls: []loadgen.Bucket{{Answered: 20, Slowest: time.Millisecond}, {}, {Answered: 16, Failed: 2, Refused: 2, Slowest: 3 * time.Second}},
		}.SVG(),
		"lines": Lines{
			Title: "Lines", Subtitle: "a subtitle", Description: "Two apps.", Names: []string{"envoy", "echo", "reverse"},
			Panels: []LinePanel{{"memory", map[string][]float64{"envoy": {10, 20}, "echo": {10, 19}, "reverse": {5}}}, {"nothing", nil}},
		}.SVG(),
	} {
		for decoder := xml.NewDecoder(strings.NewReader(got)); ; {
			if _, err := decoder.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
		}
		golden.Assert(t, got, name+".svg")
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	calls := slices.Repeat([]loadgen.Bucket{{Answered: 1, Failed: 2, Refused: 3, Slowest: time.Second}}, 1205)
	merged, each := merge(calls)
	if each != time.Second || len(merged) != 121 {
		t.Fatalf("merge() makes %d columns of %s, want 121 of 1 s", len(merged), each)
	}
	if want := (loadgen.Bucket{Answered: 10, Failed: 20, Refused: 30, Slowest: time.Second}); merged[0] != want || merged[120].Answered != 5 {
		t.Errorf("merge() = %+v … %+v, want %+v", merged[0], merged[120], want)
	}
}

func TestColumns(t *testing.T) {
	t.Parallel()
	calls := []loadgen.Bucket{{Answered: 2, Slowest: 10 * time.Millisecond}, {Answered: 1, Failed: 1, Slowest: time.Second}}
	got := newColumns(calls, 10, 2, time.Second)
	for class, want := range map[string]string{
		"answered": "M60.0 156.0V56.0h10.00V156.0zM70.0 156.0V106.0h10.00V156.0z",
		"failed":   "M70.0 106.0V56.0h10.00V106.0z",
		"slowest":  "M70.0 264.0V184.0h10.00V264.0z",
	} {
		if got[class].String() != want {
			t.Errorf("%s: %s, want %s", class, got[class], want)
		}
	}
}
