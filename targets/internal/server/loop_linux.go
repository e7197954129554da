//go:build linux && !portable

package server

import (
	"errors"
	"fmt"
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"upsurge/targets"
)

const (
	readBufferSize = 64 << 10
	eventBatch     = 512
	wakeSlot       = -1 // in place of a connection's slot
)

// loop owns connections and everything about them. Its fields belong to the
// goroutine of run, except inbox.
type loop struct {
	started  time.Time
	epoll    int
	handler  Handler
	counters targets.Counters
	wheel    *wheel
	slab     slab
	doomed   []*Conn
	buffer   []byte
	inbox    inbox
	done     chan struct{} // closed when run has ended; set before it starts
}

// inbox is how other goroutines reach a loop. Any goroutine.
type inbox struct {
	wakeup int // eventfd

	mu        sync.Mutex
	signalled bool
	stopping  bool
	sockets   []int32
	snapshots []chan<- targets.Counters
}

func newLoop(handlers HandlerFactory) (*loop, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, os.NewSyscallError("epoll_create1", err)
	}
	wakeup, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return nil, errors.Join(os.NewSyscallError("eventfd", err), unix.Close(epoll))
	}
	l := &loop{
		started: time.Now(), epoll: epoll, wheel: newWheel(),
		buffer: make([]byte, readBufferSize),
		inbox:  inbox{wakeup: wakeup},
	}
	event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: wakeSlot}
	if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, wakeup, &event); err != nil {
		return nil, errors.Join(os.NewSyscallError("epoll_ctl", err), l.close())
	}
	l.handler = handlers(&l.counters)
	return l, nil
}

// run serves the loop's connections until stop, then closes them.
func (l *loop) run() (err error) {
	defer close(l.done)
	events := make([]unix.EpollEvent, eventBatch)
	for {
		n, err := unix.EpollWait(l.epoll, events, l.timeout())
		if err != nil && !errors.Is(err, unix.EINTR) {
			l.closeAll()
			return os.NewSyscallError("epoll_wait", err)
		}
		for i := range max(n, 0) {
			if events[i].Fd == wakeSlot {
				if stop := l.receive(); stop {
					l.closeAll()
					return nil
				}
				continue
			}
			l.dispatch(&events[i])
		}
		l.fireTimers()
	}
}

// timeout is what epoll_wait is given: rounded up, for a wake-up before the
// tick is due would find nothing to do and spin.
func (l *loop) timeout() int {
	d, ok := l.untilNextTimer()
	if !ok {
		return -1
	}
	return int(ticksCeil(d))
}

// dispatch tells a connection what happened. Writing goes first: it may make
// room for the answers to what is read next.
func (l *loop) dispatch(event *unix.EpollEvent) {
	c := l.slab.at(uint32(event.Fd))
	if c.generation != uint32(event.Pad) || c.has(flagClosed) {
		return // closed earlier in this batch
	}
	if event.Events&unix.EPOLLOUT != 0 {
		c.writable()
	}
	if !c.has(flagDoomed) {
		broken := event.Events&(unix.EPOLLERR|unix.EPOLLHUP) != 0
		switch {
		case !c.has(flagPaused) && (broken || event.Events&unix.EPOLLIN != 0):
			c.readable()
		case broken:
			// Reported again and again until the socket is closed.
			c.broken()
		}
	}
	l.reap()
}

func (l *loop) watch(operation int, c *Conn, events uint32) error {
	event := unix.EpollEvent{Events: events, Fd: int32(c.slot), Pad: int32(c.generation)}
	return os.NewSyscallError("epoll_ctl", unix.EpollCtl(l.epoll, operation, int(c.fd), &event))
}

// receive empties the inbox and reports whether to stop.
func (l *loop) receive() bool {
	var counter [8]byte
	// Nothing to read is fine: the inbox is emptied all the same.
	_, _ = unix.Read(l.inbox.wakeup, counter[:])
	in := &l.inbox
	in.mu.Lock()
	sockets, snapshots, stopping := in.sockets, in.snapshots, in.stopping
	in.sockets, in.snapshots, in.signalled = nil, nil, false
	in.mu.Unlock()
	for _, fd := range sockets {
		l.adopt(fd)
	}
	for _, reply := range snapshots {
		reply <- l.counters // buffered: never blocks
	}
	return stopping
}

func (l *loop) adopt(fd int32) {
	c := l.slab.take()
	c.flags, c.fd, c.interest = 0, fd, unix.EPOLLIN
	c.loop = l
	if err := l.watch(unix.EPOLL_CTL_ADD, c, c.interest); err != nil {
		// No memory, or more than fs.epoll.max_user_watches.
		l.counters.AcceptErrors++
		c.closeSocket()
		l.slab.put(c)
		return
	}
	l.opened(c)
}

func (l *loop) setTimerTick(c *Conn, tick int64) { l.wheel.set(&c.timer, tick) }

func (l *loop) release(c *Conn) { l.slab.put(c) }

func (l *loop) closeAll() {
	l.slab.each(l.destroy)
	l.doomed = nil
	l.inbox.mu.Lock()
	sockets := l.inbox.sockets
	l.inbox.sockets = nil
	l.inbox.mu.Unlock()
	for _, fd := range sockets {
		_ = unix.Close(int(fd)) // accepted, never served
	}
}

// post changes the inbox and wakes the loop. Any goroutine.
func (l *loop) post(change func(*inbox)) {
	in := &l.inbox
	in.mu.Lock()
	defer in.mu.Unlock()
	change(in)
	if in.signalled {
		return
	}
	in.signalled = true
	one := [8]byte{1}
	// Can only fail when the counter is full, and then the loop wakes anyway.
	_, _ = unix.Write(in.wakeup, one[:])
}

// give hands the loop accepted sockets. Any goroutine.
func (l *loop) give(sockets []int32) {
	l.post(func(in *inbox) { in.sockets = append(in.sockets, sockets...) })
}

// stop makes run close everything and return. Any goroutine.
func (l *loop) stop() {
	l.post(func(in *inbox) { in.stopping = true })
}

// snapshot returns the counters as they stand between two callbacks. Any
// goroutine, once run was started.
func (l *loop) snapshot() targets.Counters {
	reply := make(chan targets.Counters, 1)
	select {
	case <-l.done:
		return l.counters
	default:
		l.post(func(in *inbox) { in.snapshots = append(in.snapshots, reply) })
	}
	select {
	case counters := <-reply:
		return counters
	case <-l.done:
		return l.counters
	}
}

// close frees the loop's descriptors; run has ended or never began.
func (l *loop) close() error {
	l.inbox.mu.Lock()
	defer l.inbox.mu.Unlock()
	if l.epoll < 0 {
		return nil
	}
	l.inbox.signalled = true // nobody writes to a descriptor that may be another's by now
	err := errors.Join(unix.Close(l.epoll), unix.Close(l.inbox.wakeup))
	l.epoll = -1
	if err != nil {
		return fmt.Errorf("closing an event loop: %w", err)
	}
	return nil
}
