package sched_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"upsurge/worker/internal/sched"
)

func TestPlan(t *testing.T) {
	cases := []struct {
		name    string
		wanted  map[string]int
		running sched.Counts
		loops   int
		want    []sched.Step
	}{
		{name: "nothing", loops: 2},
		{name: "no loops", wanted: map[string]int{"A": 1}, loops: 0},
		{
			name: "first users", wanted: map[string]int{"A": 5}, loops: 2,
			want: []sched.Step{{"A", 0, 3}, {"A", 1, 2}},
		},
		{
			name: "small classes do not pile up", wanted: map[string]int{"A": 1, "B": 1, "C": 0}, loops: 2,
			want: []sched.Step{{"A", 0, 1}, {"B", 1, 1}},
		},
		{
			name: "already there", wanted: map[string]int{"A": 5}, loops: 2,
			running: sched.Counts{"A": {3, 2}},
		},
		{
			name: "fewer", wanted: map[string]int{"A": 2}, loops: 2,
			running: sched.Counts{"A": {3, 2}},
			want:    []sched.Step{{"A", 0, -2}, {"A", 1, -1}},
		},
		{
			name: "uneven start is levelled by starts alone", wanted: map[string]int{"A": 12}, loops: 3,
			running: sched.Counts{"A": {9, 0, 1}},
			want:    []sched.Step{{"A", 1, 2}},
		},
		{
			name: "a class that is no longer named", wanted: map[string]int{"B": 2}, loops: 2,
			running: sched.Counts{"A": {1, 1}},
			want:    []sched.Step{{"A", 0, -1}, {"A", 1, -1}, {"B", 0, 1}, {"B", 1, 1}},
		},
		{
			name: "negative counts as none", wanted: map[string]int{"A": -3}, loops: 1,
			running: sched.Counts{"A": {2}},
			want:    []sched.Step{{"A", 0, -2}},
		},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if got := sched.Plan(c.wanted, c.running, c.loops); !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
		})
	}
}

// Any sequence of wishes ends at exactly the wish, never starts and stops
// users of one class in one plan, and leaves no loop below zero.
func TestPlanReachesEveryWish(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		loops := 1 + random.IntN(5)
		running := sched.Counts{}
		for range 6 {
			wanted := map[string]int{}
			for _, class := range []string{"A", "B", "C"} {
				wanted[class] = random.IntN(40)
			}
			for _, step := range sched.Plan(wanted, running, loops) {
				if running[step.Class] == nil {
					running[step.Class] = make([]int, loops)
				}
				running[step.Class][step.Loop] += step.Change
				if running[step.Class][step.Loop] < 0 {
					t.Fatalf("below zero: %v", running)
				}
			}
			for class, want := range wanted {
				sum := 0
				for _, count := range running[class] {
					sum += count
				}
				if sum != want {
					t.Fatalf("%s: %d, want %d (%v)", class, sum, want, running)
				}
			}
		}
	}
}
