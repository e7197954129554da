//go:build linux && !portable

package server

import (
	"testing"
	"unsafe"
)

// maxIdleBytes is what an idle connection may cost in user space: the struct
// and its entry in the slab's list of free slots.
const maxIdleBytes = 256

func TestIdleConnectionIsSmall(t *testing.T) {
	size := unsafe.Sizeof(Conn{}) + unsafe.Sizeof(uint32(0))
	t.Logf("%d bytes for an idle connection", size)
	if size > maxIdleBytes {
		t.Errorf("an idle connection costs %d bytes, want at most %d", size, maxIdleBytes)
	}
}

func TestSlabReusesSlotsUnderNewGeneration(t *testing.T) {
	var s slab
	seen := make(map[*Conn]bool)
	var taken []*Conn
	for range 3 * slabChunk {
		c := s.take()
		if seen[c] {
			t.Fatal("a connection was handed out twice")
		}
		seen[c] = true
		c.loop = &loop{}
		taken = append(taken, c)
	}
	count := 0
	s.each(func(*Conn) { count++ })
	if count != len(taken) {
		t.Errorf("each visited %d connections, want %d", count, len(taken))
	}
	c := taken[slabChunk+3]
	slot, generation := c.slot, c.generation
	s.put(c)
	if again := s.take(); again.slot != slot || again.generation != generation+1 {
		t.Errorf("slot %d generation %d after reuse, want %d and %d", again.slot, again.generation, slot, generation+1)
	}
	if len(s.chunks) != 3 {
		t.Errorf("%d chunks for %d connections, want 3", len(s.chunks), len(taken))
	}
}
