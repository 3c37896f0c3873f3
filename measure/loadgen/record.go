package loadgen

import (
	"errors"
	"slices"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// Call is the record of one call. Retries do not count as further calls.
type Call struct {
	// Client is the client's protocol: one of Protocols.
	Client string
	// Began is when the call was due. Took is the time from then until its status was known.
	Began time.Time
	Took  time.Duration
	// Retries counts the retries by the client's library itself.
	Retries int
	// Err is why the call failed. It is nil if the answer was right.
	Err error
}

// Ended returns when the status of the call was known.
func (c Call) Ended() time.Time { return c.Began.Add(c.Took) }

// Refused reports whether the server refused the call because of too many calls:
// RESOURCE_EXHAUSTED, or 429.
func (c Call) Refused() bool {
	return !errors.Is(c.Err, errTooMany) && status.Code(c.Err) == codes.ResourceExhausted
}

// Bucket counts the results of the calls that began within one BucketWidth.
type Bucket struct {
	Answered int `json:"answered"`
	Failed   int `json:"failed"`
	// Refused counts the calls refused because of too many. Failed does not include them.
	Refused int `json:"refused,omitempty"`
	// Slowest is the highest latency of these calls.
	Slowest time.Duration `json:"slowest"`
}

// BucketWidth is the period that one bucket covers.
const BucketWidth = 100 * time.Millisecond

// Buckets returns one bucket for each BucketWidth from begin until the last call.
func Buckets(calls []Call, begin time.Time) []Bucket {
	var list []Bucket
	for _, call := range calls {
		if call.Began.Before(begin) {
			continue
		}
		i := int(call.Began.Sub(begin) / BucketWidth)
		for len(list) <= i {
			list = append(list, Bucket{})
		}
		switch {
		case call.Refused():
			list[i].Refused++
		case call.Err != nil:
			list[i].Failed++
		default:
			list[i].Answered++
		}
		list[i].Slowest = max(list[i].Slowest, call.Took)
	}
	return list
}

// Between returns the calls that began at or after from, and before to.
func Between(calls []Call, from, to time.Time) []Call {
	var list []Call
	for _, call := range calls {
		if !call.Began.Before(from) && call.Began.Before(to) {
			list = append(list, call)
		}
	}
	return list
}

// Failed returns the calls that failed. It includes refused calls.
func Failed(calls []Call) []Call {
	return filter(calls, func(c Call) bool { return c.Err != nil })
}

// Kept returns the calls on connections that their clients keep open.
func Kept(calls []Call) []Call {
	return filter(calls, func(c Call) bool { return c.Client != connects })
}

// Refused returns the calls that the server refused because of too many calls.
func Refused(calls []Call) []Call { return filter(calls, Call.Refused) }

// NotRefused returns the calls that were answered, or failed in another way.
func NotRefused(calls []Call) []Call {
	return filter(calls, func(c Call) bool { return !c.Refused() })
}

func filter(calls []Call, keep func(Call) bool) []Call {
	return slices.DeleteFunc(slices.Clone(calls), func(c Call) bool { return !keep(c) })
}

// Retries returns the sum of the calls' retries.
func Retries(calls []Call) (sum int) {
	for _, call := range calls {
		sum += call.Retries
	}
	return sum
}

// P99 returns the 99th percentile of the calls' latency, by nearest rank. Failed calls
// count too. Without calls it is 0.
func P99(calls []Call) time.Duration {
	var took []time.Duration
	for _, call := range calls {
		took = append(took, call.Took)
	}
	slices.Sort(took)
	return percentile(took, 99)
}

// percentile returns a percentile of sorted values by nearest rank. Without values it is 0.
func percentile(sorted []time.Duration, percent int) time.Duration {
	if len(sorted) == 0 {
		return 0
	}
	return sorted[(len(sorted)*percent+99)/100-1]
}
