package zmq

import (
	"net"
	"time"
)

// writeChunk is the longest single Write. Each gets the whole time limit, so a
// long message over a slow line passes and a peer that takes nothing is found.
const writeChunk = 256 << 10

// timedConn is a TCP connection on which every Read and every Write has a time
// limit. One goroutine reads, one writes; the limits are set before they start.
type timedConn struct {
	*net.TCPConn
	limit time.Duration // 0: the deadlines are left alone
}

// Read waits no longer than the limit for the next bytes.
func (c *timedConn) Read(b []byte) (int, error) {
	if c.limit > 0 {
		if err := c.SetReadDeadline(time.Now().Add(c.limit)); err != nil {
			return 0, err
		}
	}
	return c.TCPConn.Read(b)
}

// Write writes all of b and waits no longer than the limit for progress.
func (c *timedConn) Write(b []byte) (int, error) {
	if c.limit == 0 {
		return c.TCPConn.Write(b)
	}
	written := 0
	for written < len(b) {
		if err := c.SetWriteDeadline(time.Now().Add(c.limit)); err != nil {
			return written, err
		}
		n, err := c.TCPConn.Write(b[written:min(len(b), written+writeChunk)])
		written += n
		if err != nil {
			return written, err
		}
	}
	return written, nil
}
