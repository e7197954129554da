package httpqps

import (
	"net"
	"syscall"

	"golang.org/x/sys/unix"
)

// probe looks whether a connection at rest can still be used. Only the user's
// goroutine may use it; after its first look at a connection it allocates
// nothing.
type probe struct {
	raw    syscall.RawConn
	look   func(fd uintptr)
	polled [1]unix.PollFd
}

// forget is called when the connection changes.
func (p *probe) forget() { p.raw = nil }

// isDead says whether the peer has ended the connection. Plain HTTP is also
// over when bytes came that no request asked for; TLS has messages of its own
// that may wait to be read.
func (p *probe) isDead(tcp *net.TCPConn, secured bool) bool {
	if p.raw == nil {
		raw, err := tcp.SyscallConn()
		if err != nil {
			return true
		}
		p.raw = raw
	}
	if p.look == nil {
		p.look = p.poll
	}
	if err := p.raw.Control(p.look); err != nil {
		return true
	}
	// A close behind unread bytes shows only as POLLRDHUP, which a peek
	// at the bytes would miss.
	dead := int16(unix.POLLRDHUP | unix.POLLHUP | unix.POLLERR)
	if !secured {
		dead |= unix.POLLIN
	}
	return p.polled[0].Revents&dead != 0
}

func (p *probe) poll(fd uintptr) {
	p.polled[0] = unix.PollFd{Fd: int32(fd), Events: unix.POLLIN | unix.POLLRDHUP}
	// On an error, EINTR say, Revents stays 0: the connection is then used,
	// and its end, if there was one, counted.
	_, _ = unix.Poll(p.polled[:], 0)
}
