//go:build linux && !portable

package engine

const (
	slotChunkBits = 12
	slotChunk     = 1 << slotChunkBits
)

// slots finds a loop's connections by a small number, which epoll keeps for
// them. The numbers are dense, unlike descriptors, which all loops share. The
// table grows by chunks: it never copies a million entries, nor holds twice as
// many as it needs.
type slots struct {
	chunks []*[slotChunk]*Conn
	free   []uint32 // below used, the last one freed at the end
	used   uint32   // slots that were ever taken
}

func (s *slots) at(slot uint32) *Conn {
	if slot >= s.used {
		return nil
	}
	return s.chunks[slot>>slotChunkBits][slot%slotChunk]
}

func (s *slots) take(c *Conn) uint32 {
	var slot uint32
	if last := len(s.free) - 1; last >= 0 {
		slot = s.free[last]
		s.free = s.free[:last]
	} else {
		slot = s.used
		if slot%slotChunk == 0 {
			s.chunks = append(s.chunks, new([slotChunk]*Conn))
		}
		s.used++
	}
	s.chunks[slot>>slotChunkBits][slot%slotChunk] = c
	return slot
}

func (s *slots) give(slot uint32) {
	s.chunks[slot>>slotChunkBits][slot%slotChunk] = nil
	s.free = append(s.free, slot)
}
