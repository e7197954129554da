//go:build linux && !portable

package poll

import (
	"errors"
	"fmt"
	"math"
	"os"
	"syscall"
	"time"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Ready says what a descriptor is ready for.
type Ready uint32

// Writable reports that bytes can be written, or that a connect ended.
func (r Ready) Writable() bool { return r&(unix.EPOLLOUT|unix.EPOLLERR|unix.EPOLLHUP) != 0 }

// Readable reports that there are bytes, an end or an error to be read.
func (r Ready) Readable() bool {
	return r&(unix.EPOLLIN|unix.EPOLLRDHUP|unix.EPOLLERR|unix.EPOLLHUP) != 0
}

// Final reports that behind the bytes there is an end or an error to be read.
func (r Ready) Final() bool {
	return r&(unix.EPOLLRDHUP|unix.EPOLLERR|unix.EPOLLHUP) != 0
}

// Event is one entry of what Wait found.
type Event unix.EpollEvent

// Ready is what the descriptor is ready for.
func (e *Event) Ready() Ready { return Ready(e.Events) }

// Token is the pair that the descriptor was added with.
func (e *Event) Token() (slot, generation uint32) { return uint32(e.Fd), uint32(e.Pad) }

// wakeSlot marks the events of the poller's own eventfd.
const wakeSlot = math.MaxUint32

// MaxSlot is the largest slot that a descriptor may be added with.
const MaxSlot = wakeSlot - 1

// Poller is an epoll instance and an eventfd that wakes it.
type Poller struct {
	epoll, event int
	// Set once the kernel refused epoll_pwait2 (before 5.11, or a filter of
	// system calls): timeouts are then rounded up to milliseconds.
	coarse bool
}

// New opens a poller's two descriptors.
func New() (*Poller, error) {
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return nil, fmt.Errorf("create epoll instance (check the limit of open files): %w", os.NewSyscallError("epoll_create1", err))
	}
	event, err := unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK)
	if err != nil {
		return nil, errors.Join(
			fmt.Errorf("create the descriptor that wakes a loop (check the limit of open files): %w", os.NewSyscallError("eventfd2", err)),
			unix.Close(epoll))
	}
	p := &Poller{epoll: epoll, event: event}
	// Edge-triggered, so that nobody has to read the counter back to zero: each
	// write is an edge of its own.
	if errno := p.add(event, unix.EPOLLIN|unix.EPOLLET, wakeSlot, 0); errno != 0 {
		return nil, errors.Join(
			fmt.Errorf("watch the descriptor that wakes a loop: %w", os.NewSyscallError("epoll_ctl", errno)),
			p.Close())
	}
	return p, nil
}

// Close releases the poller's descriptors.
func (p *Poller) Close() error {
	return errors.Join(
		os.NewSyscallError("close", unix.Close(p.event)),
		os.NewSyscallError("close", unix.Close(p.epoll)))
}

// Add watches a descriptor for everything, edge-triggered, until it is closed.
// That is one call for a connection's whole life; whoever handles an event must
// use up what it announces. Events carry slot (at most MaxSlot) and generation.
func (p *Poller) Add(descriptor int, slot, generation uint32) syscall.Errno {
	return p.add(descriptor, unix.EPOLLIN|unix.EPOLLOUT|unix.EPOLLRDHUP|unix.EPOLLET, slot, generation)
}

func (p *Poller) add(descriptor int, events, slot, generation uint32) syscall.Errno {
	event := unix.EpollEvent{Events: events, Fd: int32(slot), Pad: int32(generation)}
	_, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_CTL, uintptr(p.epoll), unix.EPOLL_CTL_ADD,
		uintptr(descriptor), uintptr(unsafe.Pointer(&event)), 0, 0)
	return errno
}

// Wake makes the current or the next Wait return. Safe from any goroutine, but
// not together with Close.
func (p *Poller) Wake() {
	one := [8]byte{0: 1}
	// It can fail only with EAGAIN, when 2^64-2 wakes are pending: one is enough.
	_, _ = unix.Write(p.event, one[:])
}

// Wait fills events with what happened and returns how many there are. It
// returns none when the timeout passed, when it was woken, or when a signal
// came. A negative timeout never passes.
func (p *Poller) Wait(events []Event, timeout time.Duration) (int, error) {
	n, errno := p.wait(events, timeout)
	switch errno {
	case 0:
	case unix.EINTR:
		return 0, nil
	default:
		return 0, fmt.Errorf("wait for events: %w", os.NewSyscallError("epoll_wait", errno))
	}
	for i := range n {
		if slot, _ := events[i].Token(); slot == wakeSlot {
			events[i] = events[n-1]
			return n - 1, nil
		}
	}
	return n, nil
}

func (p *Poller) wait(events []Event, timeout time.Duration) (int, syscall.Errno) {
	first, count := uintptr(unsafe.Pointer(&events[0])), uintptr(len(events))
	switch {
	case timeout == 0:
		// It doesn't block, so the runtime needn't be prepared for that.
		n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.epoll), first, count, 0, 0, 0)
		return int(n), errno
	case timeout > 0 && !p.coarse:
		limit := unix.NsecToTimespec(int64(timeout))
		n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT2, uintptr(p.epoll), first, count,
			uintptr(unsafe.Pointer(&limit)), 0, 0)
		if errno != unix.ENOSYS && errno != unix.EPERM {
			return int(n), errno
		}
		p.coarse = true
	}
	milliseconds := -1
	if timeout >= 0 {
		milliseconds = int(min((timeout+time.Millisecond-1)/time.Millisecond, math.MaxInt32))
	}
	n, _, errno := unix.Syscall6(unix.SYS_EPOLL_PWAIT, uintptr(p.epoll), first, count, uintptr(milliseconds), 0, 0)
	return int(n), errno
}
