//go:build linux && !portable

package server

import (
	"errors"

	"golang.org/x/sys/unix"
)

// socket is the Linux part of a connection.
type socket struct {
	output     *output // nil unless bytes are queued
	fd         int32
	slot       uint32
	generation uint32
	interest   uint32 // what epoll was last told to watch
}

// output holds the bytes that the kernel would not take.
type output struct {
	bytes []byte
	sent  int
}

// TryWrite hands the kernel as much of p as it takes now and returns how much
// that was: 0 when its buffer is full or older bytes are still queued. After
// an error the connection will be closed and the rest is of no interest.
func (c *Conn) TryWrite(p []byte) (int, error) {
	if c.output != nil {
		return 0, nil
	}
	if c.Closing() {
		return 0, unix.EPIPE
	}
	return c.write(p)
}

func (c *Conn) write(p []byte) (int, error) {
	for {
		n, err := unix.Write(int(c.fd), p)
		switch {
		case err == nil:
			c.loop.counters.BytesSent += int64(n)
			return n, nil
		case errors.Is(err, unix.EINTR):
		case errors.Is(err, unix.EAGAIN):
			return 0, nil
		default:
			c.fail()
			return 0, err
		}
	}
}

// Queue keeps a copy of p and sends it as the kernel makes room, then calls
// OnWritable. The caller bounds what it queues.
func (c *Conn) Queue(p []byte) {
	if c.Closing() {
		return
	}
	if c.output == nil {
		c.output = &output{}
	}
	c.output.bytes = append(c.output.bytes, p...)
	c.interestChanged()
}

// Pending is the number of queued bytes.
func (c *Conn) Pending() int {
	if c.output == nil {
		return 0
	}
	return len(c.output.bytes) - c.output.sent
}

// NotifyWritable asks for one OnWritable when the kernel takes bytes again.
func (c *Conn) NotifyWritable() {
	if c.Closing() {
		return
	}
	c.flags |= flagNotify
	c.interestChanged()
}

// PauseRead leaves what the peer sends in the kernel, so that its sending
// stalls; the end of the stream goes unnoticed meanwhile, a reset doesn't.
func (c *Conn) PauseRead() {
	c.flags |= flagPaused
	c.interestChanged()
}

// ResumeRead undoes PauseRead.
func (c *Conn) ResumeRead() {
	c.flags &^= flagPaused
	c.interestChanged()
}

// interestChanged tells epoll what to watch, if that is new.
func (c *Conn) interestChanged() {
	if c.has(flagDoomed | flagClosed) {
		return
	}
	var wanted uint32
	if !c.has(flagPaused) {
		wanted |= unix.EPOLLIN
	}
	if c.output != nil || c.has(flagNotify) {
		wanted |= unix.EPOLLOUT
	}
	if wanted == c.interest {
		return
	}
	if err := c.loop.watch(unix.EPOLL_CTL_MOD, c, wanted); err != nil {
		c.fail()
		return
	}
	c.interest = wanted
}

// writable is called when the kernel has room.
func (c *Conn) writable() {
	if c.output != nil {
		n, err := c.write(c.output.bytes[c.output.sent:])
		if err != nil {
			return
		}
		c.output.sent += n
		if c.Pending() > 0 {
			return
		}
		c.output = nil
	}
	c.drained()
	c.interestChanged()
}

// readable reads once; epoll reports again if there is more, so that one fast
// sender can't starve the rest of the loop.
func (c *Conn) readable() {
	n, err := unix.Read(int(c.fd), c.loop.buffer)
	switch {
	case errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EINTR):
	case err != nil && c.has(flagLingering):
		c.Close() // we had said goodbye: a reset is an answer
	case err != nil:
		c.fail()
	case n == 0:
		c.Close()
	default:
		c.deliver(c.loop.buffer[:n])
	}
}

// broken is called when epoll reports an error while nobody reads.
func (c *Conn) broken() {
	c.fail()
}

func (c *Conn) shutdownWrite() {
	if err := unix.Shutdown(int(c.fd), unix.SHUT_WR); err != nil {
		c.Close() // the peer has gone already
	}
}

func (c *Conn) closeSocket() {
	// Linux frees the descriptor whatever close returns, and leaves epoll
	// with it.
	_ = unix.Close(int(c.fd))
	c.output = nil
}
