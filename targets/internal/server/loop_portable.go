//go:build !linux || portable

package server

import (
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"upsurge/targets"
)

const readBufferSize = 16 << 10

// loop is a mutex around connections of package net: whoever holds it plays
// the loop's goroutine. Its fields belong to the mutex.
type loop struct {
	started  time.Time
	handler  Handler
	counters targets.Counters
	wheel    *wheel
	doomed   []*Conn

	mu          sync.Mutex
	connections map[*Conn]struct{}
	stopping    bool
	sooner      chan struct{} // a timer was set: sleep anew
	quit        chan struct{}
	goroutines  sync.WaitGroup
	done        chan struct{} // closed when run has ended; set before it starts
}

func newLoop(handlers HandlerFactory) (*loop, error) {
	l := &loop{
		started: time.Now(), wheel: newWheel(),
		connections: make(map[*Conn]struct{}),
		sooner:      make(chan struct{}, 1),
		quit:        make(chan struct{}),
	}
	l.handler = handlers(&l.counters)
	return l, nil
}

// run fires timers until stop, then closes the connections and waits for
// their goroutines.
func (l *loop) run() error {
	defer close(l.done)
	alarm := time.NewTimer(0)
	defer alarm.Stop()
	for {
		select {
		case <-alarm.C:
		case <-l.sooner:
		case <-l.quit:
			l.closeAll()
			l.goroutines.Wait()
			return nil
		}
		l.mu.Lock()
		l.fireTimers()
		d, ok := l.untilNextTimer()
		l.mu.Unlock()
		if ok {
			alarm.Reset(d)
		}
	}
}

// adopt takes an accepted connection. Any goroutine.
func (l *loop) adopt(network net.Conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.stopping {
		_ = network.Close() // accepted, never served
		return
	}
	c := &Conn{socket: socket{network: network, resumed: sync.NewCond(&l.mu)}}
	l.connections[c] = struct{}{}
	l.opened(c)
	if !c.has(flagClosed) {
		l.goroutines.Go(c.readIn)
	}
}

func (l *loop) setTimerTick(c *Conn, tick int64) {
	l.wheel.set(&c.timer, tick)
	select {
	case l.sooner <- struct{}{}:
	default: // told already
	}
}

func (l *loop) release(c *Conn) {
	delete(l.connections, c)
	c.State = nil
}

func (l *loop) closeAll() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.stopping = true
	for c := range l.connections {
		l.destroy(c)
	}
	l.doomed = nil
}

// stop makes run close everything and return. Any goroutine, once.
func (l *loop) stop() { close(l.quit) }

// snapshot returns the counters as they stand between two callbacks. Any
// goroutine.
func (l *loop) snapshot() targets.Counters {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.counters
}

// close has nothing to free.
func (l *loop) close() error { return nil }

func isEndOfStream(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, net.ErrClosed)
}
