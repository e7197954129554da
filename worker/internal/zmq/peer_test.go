package zmq_test

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"net"
	"time"
)

// Bytes of ZMTP 3.1, written out here so that the package's own encoder is not
// its own witness.
var (
	peerGreeting = append([]byte("\xff\x00\x00\x00\x00\x00\x00\x00\x00\x7f\x03\x01NULL"), make([]byte, 48)...)
)

const (
	frameLong    = 0x02
	frameCommand = 0x04
)

// readyOf is the READY command of a peer of that type.
func readyOf(socketType string) []byte {
	body := "\x05READY\x0bSocket-Type\x00\x00\x00" + string(rune(len(socketType))) + socketType
	return append([]byte{frameCommand, byte(len(body))}, body...)
}

// frame is one frame as the wire has it.
type frame struct {
	flags byte
	body  []byte
}

// isPing tells whether the frame is a PING.
func (f frame) isPing() bool {
	return f.flags&frameCommand != 0 && bytes.HasPrefix(f.body, []byte("\x04PING"))
}

// readFrame reads one frame.
func readFrame(r io.Reader) (frame, error) {
	start := make([]byte, 2, 9)
	if _, err := io.ReadFull(r, start); err != nil {
		return frame{}, err
	}
	size := uint64(start[1])
	if start[0]&frameLong != 0 {
		start = start[:9]
		if _, err := io.ReadFull(r, start[2:]); err != nil {
			return frame{}, err
		}
		size = binary.BigEndian.Uint64(start[1:])
	}
	body := make([]byte, size)
	_, err := io.ReadFull(r, body)
	return frame{flags: start[0], body: body}, err
}

// greet does the whole handshake of a peer of that type.
func greet(conn net.Conn, socketType string) error {
	if _, err := conn.Write(peerGreeting); err != nil {
		return err
	}
	if _, err := io.ReadFull(conn, make([]byte, len(peerGreeting))); err != nil {
		return err
	}
	if _, err := conn.Write(readyOf(socketType)); err != nil {
		return err
	}
	ready, err := readFrame(conn)
	if err == nil && !bytes.HasPrefix(ready.body, []byte("\x05READY")) {
		err = fmt.Errorf("first frame is %x", ready.body)
	}
	return err
}

// untilClosed waits until the other side closes.
func untilClosed(conn net.Conn) { _, _ = io.Copy(io.Discard, conn) }

// short are time limits for peers that do not answer.
const (
	shortPing  = 100 * time.Millisecond
	shortTTL   = 300 * time.Millisecond
	shortRead  = 400 * time.Millisecond
	shortShake = 200 * time.Millisecond
)
