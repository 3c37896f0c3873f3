package steady

import (
	"slices"
	"time"
)

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
	if len(calls) == 0 {
		return 0
	}
	var took []time.Duration
	for _, call := range calls {
		took = append(took, call.Took)
	}
	slices.Sort(took)
	return took[(len(took)*99+99)/100-1]
}
