//go:build linux && !portable

package server

const (
	slabBits  = 9
	slabChunk = 1 << slabBits
)

// slab holds a loop's connections in chunks, so that a million of them are a
// few thousand objects and epoll can name each by a number. Loop goroutine
// only.
type slab struct {
	chunks []*[slabChunk]Conn
	free   []uint32
}

// take returns an empty connection with its slot set.
func (s *slab) take() *Conn {
	if len(s.free) == 0 {
		first := uint32(len(s.chunks)) << slabBits
		s.chunks = append(s.chunks, new([slabChunk]Conn))
		for slot := first + slabChunk; slot > first; slot-- {
			s.free = append(s.free, slot-1)
		}
	}
	slot := s.free[len(s.free)-1]
	s.free = s.free[:len(s.free)-1]
	c := s.at(slot)
	c.slot = slot
	return c
}

// put takes a closed connection back. The generation rises, so that events
// that epoll reported for it before are told from those of its successor.
func (s *slab) put(c *Conn) {
	slot, generation := c.slot, c.generation+1
	*c = Conn{flags: flagClosed}
	c.slot, c.generation = slot, generation
	s.free = append(s.free, slot)
}

func (s *slab) at(slot uint32) *Conn {
	return &s.chunks[slot>>slabBits][slot&(slabChunk-1)]
}

// each calls f for every connection in use.
func (s *slab) each(f func(*Conn)) {
	for _, chunk := range s.chunks {
		for i := range chunk {
			if c := &chunk[i]; c.loop != nil {
				f(c)
			}
		}
	}
}
