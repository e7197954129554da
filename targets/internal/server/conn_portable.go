//go:build !linux || portable

package server

import (
	"net"
	"sync"
)

// socket is the portable part of a connection. Its fields belong to the
// loop's mutex.
type socket struct {
	network net.Conn
	output  []byte     // what the writing goroutine hasn't taken yet
	writing bool       // a writing goroutine exists
	inWrite int        // bytes it has taken and not finished
	resumed *sync.Cond // signalled when flags or output change
}

// TryWrite takes all of p when nothing is under way, and nothing otherwise: a
// goroutine then waits for the kernel in the loop's place. The bytes count as
// sent from here on.
func (c *Conn) TryWrite(p []byte) (int, error) {
	if c.Pending() > 0 || c.writing {
		return 0, nil
	}
	if c.Closing() {
		return 0, net.ErrClosed
	}
	c.enqueue(p)
	return len(p), nil
}

// Queue keeps a copy of p and sends it as the kernel makes room, then calls
// OnWritable. The caller bounds what it queues.
func (c *Conn) Queue(p []byte) {
	if c.Closing() {
		return
	}
	c.flags |= flagNotify
	c.enqueue(p)
}

func (c *Conn) enqueue(p []byte) {
	c.output = append(c.output, p...)
	c.loop.counters.BytesSent += int64(len(p))
	c.startWriting()
}

func (c *Conn) startWriting() {
	if !c.writing {
		c.writing = true
		c.loop.goroutines.Go(c.writeOut)
	}
}

// Pending is the number of queued bytes.
func (c *Conn) Pending() int { return len(c.output) + c.inWrite }

// NotifyWritable asks for one OnWritable when the kernel takes bytes again.
func (c *Conn) NotifyWritable() {
	if c.Closing() {
		return
	}
	c.flags |= flagNotify
	c.startWriting()
}

// PauseRead stops reading after the bytes being delivered.
func (c *Conn) PauseRead() { c.flags |= flagPaused }

// ResumeRead undoes PauseRead.
func (c *Conn) ResumeRead() {
	c.flags &^= flagPaused
	c.resumed.Broadcast()
}

// interestChanged wakes a reader that waits while the flags say pause.
func (c *Conn) interestChanged() { c.resumed.Broadcast() }

// writeOut runs on a goroutine of its own while there is something to write.
func (c *Conn) writeOut() {
	l := c.loop
	l.mu.Lock()
	defer l.mu.Unlock()
	for len(c.output) > 0 && !c.has(flagDoomed|flagClosed) {
		batch := c.output
		c.output, c.inWrite = nil, len(batch)
		l.mu.Unlock()
		n, err := c.network.Write(batch)
		l.mu.Lock()
		c.inWrite = 0
		if err != nil {
			l.counters.BytesSent -= int64(len(batch) - n + len(c.output))
			c.output = nil
			c.fail()
		}
	}
	// Before the handler is asked for more: what it writes then starts the
	// next goroutine.
	c.writing = false
	c.resumed.Broadcast()
	if !c.has(flagDoomed|flagClosed) && c.has(flagNotify|flagFlushing) {
		c.drained()
	}
	l.reap()
}

// readIn runs on a goroutine of its own as long as the connection lives.
func (c *Conn) readIn() {
	buffer := make([]byte, readBufferSize)
	for {
		n, err := c.network.Read(buffer)
		if more := c.took(buffer[:n], err); !more {
			return
		}
	}
}

// took delivers the outcome of one read and reports whether to go on.
func (c *Conn) took(data []byte, err error) bool {
	l := c.loop
	l.mu.Lock()
	defer l.mu.Unlock()
	for c.has(flagPaused) && !c.has(flagDoomed|flagClosed) {
		c.resumed.Wait()
	}
	if c.has(flagClosed) {
		return false
	}
	if len(data) > 0 {
		c.deliver(data)
	}
	switch {
	case err == nil:
	case isEndOfStream(err) || c.has(flagLingering):
		// What TryWrite took counts as sent: it has to go out first.
		for c.Pending() > 0 && !c.has(flagDoomed|flagClosed) {
			c.resumed.Wait()
		}
		c.Close()
	default:
		c.fail()
	}
	l.reap()
	return err == nil && !c.has(flagClosed)
}

func (c *Conn) shutdownWrite() {
	half, ok := c.network.(interface{ CloseWrite() error })
	if !ok || half.CloseWrite() != nil {
		c.Close()
	}
}

func (c *Conn) closeSocket() {
	// The peer may have gone; there is nothing left to do about it.
	_ = c.network.Close()
	c.resumed.Broadcast()
}
