package roster

import "upsurge/worker/user"

// stackChunk is how many users a stack grows by.
const stackChunk = 1024

// stack is a list of users, the newest on top. It grows and shrinks by chunks:
// a slice that doubles holds up to twice what it needs, and leaves copies
// behind, which is a lot of memory for a million users. Loop goroutine only.
type stack struct {
	chunks []*[stackChunk]user.EventUser
	size   int
}

func (s *stack) push(u user.EventUser) {
	if s.size == len(s.chunks)*stackChunk {
		s.chunks = append(s.chunks, new([stackChunk]user.EventUser))
	}
	s.chunks[s.size/stackChunk][s.size%stackChunk] = u
	s.size++
}

// pop takes the newest; there must be one. One empty chunk is kept, so that a
// number that swings around a chunk's end allocates nothing.
func (s *stack) pop() user.EventUser {
	s.size--
	chunk := s.chunks[s.size/stackChunk]
	top := chunk[s.size%stackChunk]
	chunk[s.size%stackChunk] = nil // or it would be kept alive
	if last := len(s.chunks) - 1; last*stackChunk >= s.size+stackChunk {
		s.chunks[last] = nil
		s.chunks = s.chunks[:last]
	}
	return top
}
