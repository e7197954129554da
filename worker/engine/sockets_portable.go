//go:build !linux || portable

package engine

import (
	"net"
	"net/netip"
	"sync"
	"time"
)

// Portable reports whether the engine runs on package net instead of epoll.
const Portable = true

// An endpoint is nil where the kernel chooses the local address.
type endpoint = *net.TCPAddr

func newEndpoint(a netip.AddrPort) (endpoint, error) { return net.TCPAddrFromAddrPort(a), nil }

// sockets is the part of a Loop that talks to package net. Its goroutines only
// wait and copy; they hand everything to the loop through Post.
type sockets struct {
	wake       chan struct{} // holds one: wakes add up to one
	live       map[*link]struct{}
	running    sync.WaitGroup // the goroutines of all links
	readBuffer int
}

func (l *Loop) openSockets(config Config) error {
	l.sockets.wake = make(chan struct{}, 1)
	l.sockets.live = make(map[*link]struct{})
	l.sockets.readBuffer = config.ReadBuffer
	return nil
}

// release waits for the goroutines of the connections, which are closed.
func (l *Loop) release() error {
	l.sockets.running.Wait()
	return nil
}

func (l *Loop) wake() {
	select {
	case l.sockets.wake <- struct{}{}:
	default:
	}
}

func (l *Loop) wait(timeout time.Duration) error {
	if timeout == 0 {
		return nil
	}
	var passed <-chan time.Time
	if timeout > 0 {
		timer := time.NewTimer(timeout)
		defer timer.Stop()
		passed = timer.C
	}
	select {
	case <-l.sockets.wake:
	case <-passed:
	}
	return nil
}

// handleEvents has nothing to do: what happens to connections is posted.
func (l *Loop) handleEvents() {}

// closeAll ends the connections that are live.
func (l *Loop) closeAll() {
	for k := range l.sockets.live {
		if k.conn != nil {
			k.conn.end(ErrClosed)
		}
	}
}
