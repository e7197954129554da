//go:build linux && !portable

package engine

import (
	"net/netip"
	"time"

	"upsurge/worker/engine/internal/poll"
	"upsurge/worker/engine/internal/sock"
)

// Portable reports whether the engine runs on package net instead of epoll.
const Portable = false

// eventBatch is how many events one wait brings at most.
const eventBatch = 512

type endpoint = *sock.Address

func newEndpoint(a netip.AddrPort) (endpoint, error) { return sock.NewAddress(a) }

// sockets is the part of a Loop that talks to the kernel.
type sockets struct {
	poller    *poll.Poller
	slots     slots
	events    []poll.Event
	count     int // events of the last wait
	next      int // the first of them that isn't handled yet
	dials     uint32
	buffer    []byte // shared by all connections, for the length of a callback
	spareOuts []*outbox
}

func (l *Loop) openSockets(config Config) error {
	poller, err := poll.New()
	if err != nil {
		return err
	}
	l.sockets.poller = poller
	l.sockets.events = make([]poll.Event, eventBatch)
	l.sockets.buffer = make([]byte, config.ReadBuffer)
	return nil
}

func (l *Loop) release() error { return l.sockets.poller.Close() }

func (l *Loop) wake() { l.sockets.poller.Wake() }

func (l *Loop) wait(timeout time.Duration) error {
	s := &l.sockets
	busy := s.count > 0
	s.count, s.next = 0, 0
	var err error
	if busy {
		// Where there were events there are more, as a rule. A look costs less than
		// a sleep that ends at once, for which the runtime must be prepared.
		// It may have used up the wake-up for what was posted since the timeout was
		// computed; the flags, which are set before that, tell.
		if s.count, err = s.poller.Wait(s.events, 0); err != nil || s.count > 0 || l.posted.Load() || l.stopping.Load() {
			return err
		}
	}
	s.count, err = s.poller.Wait(s.events, timeout)
	return err
}

// handleEvents handles the events of the last wait. A callback may have closed
// the connection of a later event and even dialled it or another one anew, with
// the same slot and descriptor; the generation tells such stale events.
func (l *Loop) handleEvents() {
	s := &l.sockets
	for s.next < s.count {
		event := &s.events[s.next]
		s.next++
		slot, generation := event.Token()
		if c := s.slots.at(slot); c != nil && c.wire.generation == generation {
			c.handle(event.Ready())
		}
	}
}

// closeAll ends the connections that are live.
func (l *Loop) closeAll() {
	for slot := range l.sockets.slots.used {
		if c := l.sockets.slots.at(slot); c != nil {
			c.end(ErrClosed)
		}
	}
}

// nextGeneration numbers the dials of the loop. 0 marks a Conn that has no
// descriptor.
func (s *sockets) nextGeneration() uint32 {
	s.dials++
	if s.dials == 0 {
		s.dials = 1
	}
	return s.dials
}
