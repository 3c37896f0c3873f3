package loadgen

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

func TestRecord(t *testing.T) {
	t.Parallel()
	begin := time.Unix(100, 0)
	at := func(ms, took int, err error) Call {
		return Call{Began: begin.Add(time.Duration(ms) * time.Millisecond), Took: time.Duration(took) * time.Millisecond, Err: err, Retries: 1}
	}
	no := errors.New("no")
	calls := []Call{at(-5, 1, no), at(0, 2, nil), at(99, 9, no), at(100, 3, nil), at(301, 4, nil), at(302, 1, fmt.Errorf("status 429: %w", status.Error(codes.ResourceExhausted, "too many")))}
	const ms = time.Millisecond
	want := []Bucket{{Answered: 1, Failed: 1, Slowest: 9 * ms}, {Answered: 1, Slowest: 3 * ms}, {}, {Answered: 1, Refused: 1, Slowest: 4 * ms}}
	if got := Buckets(calls, begin); !slices.Equal(got, want) {
		t.Errorf("Buckets() = %v, want %v", got, want)
	}
	within := Between(calls, begin, begin.Add(301*ms))
	if len(within) != 3 || len(Failed(within)) != 1 || Retries(within) != 3 || P99(within) != 9*ms {
		t.Errorf("Between() = %v, with %d failed, %d retries and p99 %v", within, len(Failed(within)), Retries(within), P99(within))
	}
	if refused := Refused(calls); len(refused) != 1 || len(NotRefused(calls)) != len(calls)-1 || refused[0].Took != ms {
		t.Errorf("Refused() = %v", refused)
	}
	if (Call{Err: errTooMany}).Refused() {
		t.Error("a call that was not sent was refused")
	}
	if got := P99(nil); got != 0 {
		t.Errorf("P99() of no calls = %v", got)
	}
}

func TestPercentile(t *testing.T) {
	t.Parallel()
	var hundred []time.Duration
	for i := range 100 {
		hundred = append(hundred, time.Duration(i+1))
	}
	for _, test := range []struct {
		values  []time.Duration
		percent int
		want    time.Duration
	}{
		{nil, 99, 0}, {hundred[:1], 50, 1}, {hundred[:2], 50, 1}, {hundred[:3], 50, 2},
		{hundred, 50, 50}, {hundred, 99, 99}, {hundred[:10], 99, 10},
	} {
		if got := percentile(test.values, test.percent); got != test.want {
			t.Errorf("percentile %d of %v = %v, want %v", test.percent, test.values, got, test.want)
		}
	}
}
