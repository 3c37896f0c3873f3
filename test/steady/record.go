package steady

import (
	"slices"
	"time"
)

// Bucket is what became of the calls that began within one tenth of a second.
type Bucket struct {
	Answered int `json:"answered"`
	Failed   int `json:"failed"`
	// Refused are those that were too many; they are not among Failed.
	Refused int `json:"refused,omitempty"`
	// Slowest is the longest that one of them took.
	Slowest time.Duration `json:"slowest"`
}

// BucketWidth is the time that a bucket is for.
const BucketWidth = 100 * time.Millisecond

// Buckets are those from begin until the last call.
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

// Between are the calls that began at or after from, and before to.
func Between(calls []Call, from, to time.Time) []Call {
	var list []Call
	for _, call := range calls {
		if !call.Began.Before(from) && call.Began.Before(to) {
			list = append(list, call)
		}
	}
	return list
}

// Failed are those that failed, refused ones included.
func Failed(calls []Call) []Call {
	return filter(calls, func(c Call) bool { return c.Err != nil })
}

// Kept are those on connections that were there already, or are kept for others.
func Kept(calls []Call) []Call {
	return filter(calls, func(c Call) bool { return c.Client != connects })
}

// NotRefused are those that were answered, or failed in another way.
func NotRefused(calls []Call) []Call {
	return filter(calls, func(c Call) bool { return !c.Refused() })
}

func filter(calls []Call, keep func(Call) bool) []Call {
	return slices.DeleteFunc(slices.Clone(calls), func(c Call) bool { return !keep(c) })
}

// Retries is how often clients sent calls anew.
func Retries(calls []Call) (sum int) {
	for _, call := range calls {
		sum += call.Retries
	}
	return sum
}

// P99 is the time that 99 % of the calls did not exceed, whether they failed or
// not: the nearest rank, and 0 of no calls.
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
