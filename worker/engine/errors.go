package engine

import (
	"errors"
	"io"
	"syscall"
)

var (
	// ErrTimeout ends a connection whose deadline passed, or a dial that took
	// longer than the target's ConnectTimeout.
	ErrTimeout = errors.New("engine: deadline passed")

	// ErrClosed is returned for a connection that is not live, and ends those
	// that are live when the engine ends.
	ErrClosed = errors.New("engine: closed")

	// ErrNotOpen is returned by Write before OnOpen.
	ErrNotOpen = errors.New("engine: connection is not open yet")

	// ErrInUse is returned by Dial for a Conn that is live.
	ErrInUse = errors.New("engine: connection is in use, close it before dialling again")

	// ErrWriteBufferFull is returned by Write when the bytes that wait for the
	// kernel would exceed WriteBufferLimit. The peer reads too slowly.
	ErrWriteBufferFull = errors.New("engine: write buffer full, the peer reads slower than data is written")

	// ErrUnsent is returned by CloseWrite while the kernel has not taken all
	// that was written.
	ErrUnsent = errors.New("engine: not all that was written was sent yet")

	// ErrPanicked ends a connection whose OnOpen or OnData panicked.
	ErrPanicked = errors.New("engine: callback panicked")
)

// WriteBufferLimit bounds the bytes of one connection that the kernel did not
// take yet.
const WriteBufferLimit = 1 << 20

// A reason says in two bytes why a connection ended: an errno of the kernel, or
// one of the values below.
type reason uint16

const (
	reasonNone reason = 0
	reasonEOF  reason = 0x8000 + iota
	reasonPanicked
)

// err is the reason as an error. It doesn't allocate: the runtime keeps small
// integers, which all errnos are, ready as interface values.
func (r reason) err() error {
	switch r {
	case reasonNone:
		return nil
	case reasonEOF:
		return io.EOF
	case reasonPanicked:
		return ErrPanicked
	default:
		return syscall.Errno(r)
	}
}
