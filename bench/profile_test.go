package main

import (
	"slices"
	"testing"

	"example.com/grpc-edge/bench/edgepage"
)

func TestTurnsOf(t *testing.T) {
	t.Parallel()
	if got, want := turnsOf(9), []int{0, 1, 2, 3, 4, 5, 6, 0, 7, 8}; !slices.Equal(got, want) {
		t.Errorf("turnsOf(9) = %v, want %v", got, want)
	}
}

func TestByRound(t *testing.T) {
	t.Parallel()
	windows := []edgepage.Figures{{CPU: 1}, {CPU: 9}, {CPU: 2}, {CPU: 5}, {CPU: 7}, {CPU: 6}}
	if got := byRound(windows, 2); len(got) != 2 || got[0].CPU != 2 || got[1].CPU != 6 {
		t.Errorf("byRound() = %+v, want the medians 2 and 6", got)
	}
}
