package edgepage

import (
	"slices"
	"strings"
	"testing"
	"time"

	"example.com/grpc-edge/measure/machine"
	"example.com/grpc-edge/measure/report/reporttest"
)

// sample returns results with an edge that misses some targets.
func sample() Results {
	figures := func(perSecond float64, p99 time.Duration) Figures {
		return Figures{PerSecond: perSecond, P50: p99 / 3, P99: p99, CPU: 1e6 / perSecond, Busy: .9, Sent: 160, Received: 170}
	}
	both := func(scale float64) []Figures {
		return []Figures{figures(3000*scale, time.Millisecond), figures(25_000*scale, time.Duration(float64(10*time.Millisecond)/scale))}
	}
	return Results{
		Date: time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC), Command: "make bench-edge",
		Machine:   machine.Description{CPUs: 2, Model: "Sample CPU", Memory: "25 GB", Kernel: "Linux 6.1, amd64", Load: "0.10"},
		ProxyCPUs: "1", LoadCPUs: "0", Rounds: 5, Window: 3 * time.Second, Warmup: 500 * time.Millisecond,
		Client: "a client", Content: 128, Edge: "Everything.", Default: "Little.", Notes: "## Notes\n\nWritten by hand.\n",
		Loads: []Load{{"1", "1 in flight"}, {"128", "128 in flight"}},
		Candidates: []Candidate{
			{Kind: Direct, Title: "direct", Version: "–", Figures: both(1.5)},
			{Kind: Edge, Title: "this edge", Version: "1.2.3", Figures: both(.96), Memory: 80e6, Spread: 1.06, Wants: []Want{
				{"the least", .95, []string{"1", "128"}}, {"another <proxy>", 1, []string{"128"}},
			}},
			{Kind: Minimal, Title: "the least", Version: "1.2.3", Figures: both(1), Memory: 75e6, Spread: 1},
			{Kind: Rival, Title: "another <proxy>", Version: "4.5.6", Figures: both(1.2), Memory: 20e6, Spread: 1.2, Failed: 3, Failure: "it broke"},
		},
		ProtocolLoads: []int{1, 128}, ScaleLoad: "128 in flight",
		Scales: []Scale{
			{Title: "2, the last", Services: 2, Last: true, Figures: both(1)[1], Memory: 70e6, Start: 100 * time.Millisecond, Size: 95e3, Packed: 16e3},
			{Title: "200, the first", Services: 200, Figures: both(.99)[1], Memory: 90e6, Start: time.Second, Size: 3e6, Packed: 57e3},
			{Title: "200, the last", Services: 200, Last: true, Figures: both(.5)[1], Memory: 90e6, Start: time.Second, Size: 3e6, Packed: 57e3},
		},
		Protocols: []Protocol{{"gRPC", both(1)}, {"REST", both(.5)}},
		Profile: &Profile{
			Date:    time.Date(2026, 11, 25, 12, 0, 0, 0, time.UTC),
			Machine: machine.Description{CPUs: 2, Model: "Sample CPU", Load: "0.05"}, Rounds: 5, Window: time.Second,
			Variants: []Variant{
				{Title: "by default", Unary: both(1)[1], Stream: both(1)[0], UnaryRatio: 1, StreamRatio: 1},
				{Title: "no access log", Unary: both(1.25)[1], Stream: both(1)[0], UnaryRatio: .8, StreamRatio: 1.004, Failed: 1},
			},
		},
	}
}

// TestFiles compares the files with testdata.
func TestFiles(t *testing.T) {
	t.Parallel()
	files, err := sample().Files()
	if err != nil {
		t.Fatal(err)
	}
	reporttest.Golden(t, files)
}

// TestRatio checks that a machine that slows down from round to round changes no ratio.
func TestRatio(t *testing.T) {
	t.Parallel()
	if got := Ratio([]Figures{{CPU: 80}, {CPU: 160}, {CPU: 300}}, []Figures{{CPU: 100}, {CPU: 200}, {CPU: 400}}); got != .8 {
		t.Errorf("Ratio() = %v, want 0.8", got)
	}
}

func TestMissed(t *testing.T) {
	t.Parallel()
	want := []string{
		"calls/s of this edge ÷ another <proxy> (128 in flight): 0.800, wanted ≥ 1.00",
		"p99 of this edge ÷ another <proxy> (128 in flight): 1.250, wanted ≤ 1.00",
		"calls of one connection at the busiest backend ÷ at the least busy, this edge: 1.060, wanted ≤ 1.05",
		"calls/s of the last of 200 services ÷ the first (128 in flight): 0.505, wanted ≥ 0.97",
		"p99 of the last of 200 services ÷ the first (128 in flight): 1.980, wanted ≤ 1.03",
	}
	if got := sample().Missed(); !slices.Equal(got, want) {
		t.Errorf("Missed() =\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
}

func TestMedian(t *testing.T) {
	t.Parallel()
	got := Median([]Figures{{PerSecond: 5, P99: 1}, {PerSecond: 1, P99: 9}, {PerSecond: 2, P99: 3}})
	if got != (Figures{PerSecond: 2, P99: 3}) {
		t.Errorf("Median() = %+v, want each figure's own middle", got)
	}
}
