//go:build linux && !portable

package tcphold

import (
	"testing"
	"unsafe"
)

// The allocator gives 192 bytes for anything above 176: one byte more than the
// limit costs 16 MB at a million users.
func TestSizeOfAUser(t *testing.T) {
	if size := unsafe.Sizeof(holder{}); size > 192 {
		t.Errorf("a holder has %d bytes, want 192 or less", size)
	}
}
