//go:build linux && !portable

package tcphold

import (
	"testing"
	"unsafe"
)

// The allocator gives 144 bytes for anything above 128: one byte more than the
// limit costs 16 MB at a million users.
func TestSizeOfAUser(t *testing.T) {
	if size := unsafe.Sizeof(holder{}); size > 128 {
		t.Errorf("a holder has %d bytes, want 128 or less", size)
	}
}
