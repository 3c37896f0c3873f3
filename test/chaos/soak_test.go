package chaos

import (
	"slices"
	"testing"
	"time"
)

func TestFlat(t *testing.T) {
	t.Parallel()
	ramp := func(from, step float64) (values []float64) {
		for i := range 30 {
			values = append(values, from+step*float64(i))
		}
		return values
	}
	saw := slices.Repeat([]float64{40, 60, 50}, 10)
	for name, test := range map[string]struct {
		what   string
		values []float64
		flat   bool
	}{
		"the same":              {"memory", ramp(50, 0), true},
		"a saw":                 {"memory", saw, true},
		"less":                  {"memory", ramp(50, -1), true},
		"a leak":                {"memory", ramp(50, 1), false},
		"within the margin":     {"memory", ramp(50, 0.5), true},
		"a leak of descriptors": {"descriptors", ramp(50, 2), false},
		"a leak of goroutines":  {"goroutines", ramp(50, 2), false},
		"too few":               {"memory", []float64{1, 2}, false},
	} {
		if err := (Series{test.what, "echo", time.Second, test.values}).flat(); (err == nil) != test.flat {
			t.Errorf("%s: %v, want flat %v", name, err, test.flat)
		}
	}
	if flat(nil) == nil {
		t.Error("nothing is flat")
	}
}
