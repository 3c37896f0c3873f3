package steady

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
