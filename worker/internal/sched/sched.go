// Package sched plans: it compares the users that a master wants with those
// that each loop runs and returns the steps between. It does no I/O, reads no
// clock and acts on nothing; package roster carries the steps out.
package sched

import (
	"cmp"
	"slices"
)

// Step starts (Change > 0) or stops (Change < 0) users of a class on a loop.
type Step struct {
	Class  string
	Loop   int
	Change int
}

// Counts are the users of each class on each loop, indexed by loop.
type Counts map[string][]int

// Total is the number of users of all classes on a loop.
func (c Counts) total(loop int) int {
	sum := 0
	for _, loops := range c {
		sum += loops[loop]
	}
	return sum
}

// Plan returns the fewest steps that lead from running to wanted over that
// many loops, in the order of class names and loops. A class that wanted does
// not name is stopped. Users are never moved: starts fill the loops with the
// fewest users of the class, stops empty those with the most, and among equals
// the loop with the fewest (or most) users of all classes goes first, so that
// many small classes do not pile up on loop 0. Negative wishes count as 0.
func Plan(wanted map[string]int, running Counts, loops int) []Step {
	if loops <= 0 {
		return nil
	}
	state := make(Counts, len(running))
	for class, counts := range running {
		state[class] = append(make([]int, 0, loops), counts...)
	}
	names := make([]string, 0, len(wanted)+len(running))
	for class := range wanted {
		names = append(names, class)
		if state[class] == nil {
			state[class] = make([]int, loops)
		}
	}
	for class := range running {
		if _, ok := wanted[class]; !ok {
			names = append(names, class)
		}
	}
	slices.Sort(names)
	totals := make([]int, loops)
	for loop := range totals {
		totals[loop] = state.total(loop)
	}
	var steps []Step
	for _, class := range names {
		before := state[class]
		after := level(before, totals, max(wanted[class], 0))
		for loop := range loops {
			change := after[loop] - before[loop]
			if change != 0 {
				steps = append(steps, Step{class, loop, change})
				totals[loop] += change
			}
		}
	}
	return steps
}

// level spreads target users over the loops starting from what is there. It
// looks for the height to which the lowest loops are filled (or the highest
// are cut), then gives the rest of the division one by one.
func level(before, totals []int, target int) []int {
	after := slices.Clone(before)
	have := 0
	for _, count := range before {
		have += count
	}
	order := make([]int, len(before))
	for i := range order {
		order[i] = i
	}
	fill := target > have
	slices.SortStableFunc(order, func(a, b int) int {
		if fill {
			return cmp.Or(cmp.Compare(before[a], before[b]), cmp.Compare(totals[a], totals[b]))
		}
		return cmp.Or(cmp.Compare(before[b], before[a]), cmp.Compare(totals[b], totals[a]))
	})
	missing := target - have
	if !fill {
		missing = -missing
	}
	for missing > 0 {
		missing = raise(after, order, missing, fill)
	}
	return after
}

// raise lifts (or lowers) the leading group of equal loops to the height of
// the next one, or as far as missing lasts, and returns what is still missing.
func raise(after, order []int, missing int, fill bool) int {
	first := after[order[0]]
	group := 1
	for group < len(order) && after[order[group]] == first {
		group++
	}
	gap := missing/group + 1
	if group < len(order) {
		next := after[order[group]]
		gap = max(next-first, first-next)
	}
	each := min(gap, missing/group)
	rest := 0
	if each < gap {
		rest = missing - each*group
	}
	for i, loop := range order[:group] {
		change := each
		if i < rest {
			change++
		}
		if !fill {
			change = -change
		}
		after[loop] += change
	}
	return missing - each*group - rest
}
