package decode

import (
	"slices"
	"strings"

	"github.com/agext/levenshtein"
)

// Nearest returns the candidate that word is a likely misspelling of, or nothing. One letter
// in three may differ, at least one; letters in another order count as one.
func Nearest(word string, candidates []string) string {
	best, least := "", max(1, len(word)/3)+1
	word = strings.ToLower(word)
	for _, candidate := range slices.Sorted(slices.Values(candidates)) {
		other := strings.ToLower(candidate)
		distance := levenshtein.Distance(word, other, nil)
		if slices.Equal(slices.Sorted(slices.Values([]byte(word))), slices.Sorted(slices.Values([]byte(other)))) {
			distance = min(distance, 1)
		}
		if distance < least {
			best, least = candidate, distance
		}
	}
	return best
}

// DidYouMean returns a question to append to the word in a message, or nothing if no
// candidate is near.
func DidYouMean(word string, candidates []string) string {
	if best := Nearest(word, candidates); best != "" {
		return " (did you mean " + best + "?)"
	}
	return ""
}
