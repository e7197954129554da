package httpqps

import (
	"testing"
	"unsafe"
)

// There may be a million of them, most at rest.
func TestLoopVisitorIsSmall(t *testing.T) {
	const most = 192 // a size class of the allocator
	if size := unsafe.Sizeof(loopVisitor{}); size > most {
		t.Errorf("a user on a loop has %d bytes, want at most %d", size, most)
	}
}
