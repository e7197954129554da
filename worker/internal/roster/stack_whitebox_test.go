package roster

import (
	"testing"

	"upsurge/worker/user"
)

// numbered is a user that only has a number.
type numbered struct {
	user.EventUser
	number int
}

func TestStackGivesBackTheNewest(t *testing.T) {
	var s stack
	const most = 3*stackChunk + 1
	for round := range 2 {
		for i := range most {
			s.push(&numbered{number: i})
		}
		if s.size != most {
			t.Fatalf("round %d: size %d, want %d", round, s.size, most)
		}
		for i := most - 1; i >= 0; i-- {
			if got := s.pop().(*numbered).number; got != i {
				t.Fatalf("round %d: got %d, want %d", round, got, i)
			}
		}
		if s.size != 0 || len(s.chunks) > 1 {
			t.Errorf("round %d: %d users in %d chunks are left, want none in one", round, s.size, len(s.chunks))
		}
	}
}

func TestStackKeepsNobodyAlive(t *testing.T) {
	var s stack
	for range 10 {
		s.push(&numbered{})
	}
	for range 10 {
		s.pop()
	}
	for i, u := range s.chunks[0] {
		if u != nil {
			t.Errorf("place %d still holds a user", i)
		}
	}
}

func TestStackAllocatesNothingAroundTheEndOfAChunk(t *testing.T) {
	var s stack
	u := &numbered{}
	for range stackChunk {
		s.push(u)
	}
	s.push(u)
	if allocations := testing.AllocsPerRun(1000, func() { s.pop(); s.push(u) }); allocations != 0 {
		t.Errorf("%v allocations, want 0", allocations)
	}
}
