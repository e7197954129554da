//go:build linux && !portable

package server

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

const (
	acceptBatch = 256
	// acceptPause is how long accepting rests when descriptors or memory
	// have run out; the waiting connections stay in the kernel's queue.
	acceptPause = 50 * time.Millisecond
)

// acceptor takes connections off the listening sockets and deals them out to
// the loops in turn, so that loops share the load evenly whatever the kernel
// does. Its fields belong to the goroutine of run.
type acceptor struct {
	epoll, wakeup int
	opened        bool // the two descriptors are
	listeners     []*listener
	loops         []*loop
	batches       [][]int32 // what each loop gets this round
	nextLoop      int
	warned        bool
	log           *slog.Logger
	failures      atomic.Int64 // accepts that failed
}

func (a *acceptor) init(listeners []*listener, loops []*loop, log *slog.Logger) error {
	a.listeners, a.loops, a.log = listeners, loops, log
	a.batches = make([][]int32, len(loops))
	epoll, err := unix.EpollCreate1(unix.EPOLL_CLOEXEC)
	if err != nil {
		return os.NewSyscallError("epoll_create1", err)
	}
	wakeup, err := unix.Eventfd(0, unix.EFD_NONBLOCK|unix.EFD_CLOEXEC)
	if err != nil {
		return errors.Join(os.NewSyscallError("eventfd", err), unix.Close(epoll))
	}
	a.epoll, a.wakeup, a.opened = epoll, wakeup, true
	watched := []int{wakeup}
	for _, l := range listeners {
		watched = append(watched, l.fd)
	}
	for i, fd := range watched {
		// Pad numbers the listeners; 0 is the wake-up.
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd), Pad: int32(i)}
		if err := unix.EpollCtl(epoll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
			return os.NewSyscallError("epoll_ctl", err) // the server closes us
		}
	}
	return nil
}

// run accepts until the context ends (tell it by wake) or a listening socket
// fails for good.
func (a *acceptor) run(ctx context.Context) error {
	events := make([]unix.EpollEvent, 64)
	for ctx.Err() == nil {
		n, err := unix.EpollWait(a.epoll, events, -1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return os.NewSyscallError("epoll_wait", err)
		}
		exhausted := false
		for i := range max(n, 0) {
			if events[i].Pad == 0 {
				continue
			}
			full, err := a.accept(int(events[i].Fd))
			if err != nil {
				return fmt.Errorf("accepting on %s: %w", a.listeners[events[i].Pad-1].address, err)
			}
			exhausted = exhausted || full
		}
		a.dealOut()
		if exhausted {
			a.rest(ctx)
		}
	}
	return nil
}

// accept takes one batch; exhausted means that the process or the system has
// run out of something that may come back.
func (a *acceptor) accept(fd int) (exhausted bool, err error) {
	for range acceptBatch {
		accepted, _, err := unix.Accept4(fd, unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC)
		switch {
		case err == nil:
			a.batches[a.nextLoop] = append(a.batches[a.nextLoop], int32(accepted))
			a.nextLoop = (a.nextLoop + 1) % len(a.loops)
		case errors.Is(err, unix.EAGAIN):
			return false, nil
		case isExhausted(err):
			a.failures.Add(1)
			a.warn(err)
			return true, nil
		case errors.Is(err, unix.EBADF), errors.Is(err, unix.EINVAL), errors.Is(err, unix.ENOTSOCK), errors.Is(err, unix.EFAULT):
			return false, os.NewSyscallError("accept4", err)
		case errors.Is(err, unix.EINTR):
		default:
			// The connection died in the queue, or a network error
			// waiting on it is reported here: accept(2) says to go on.
			a.failures.Add(1)
		}
	}
	return false, nil
}

func isExhausted(err error) bool {
	return errors.Is(err, unix.EMFILE) || errors.Is(err, unix.ENFILE) ||
		errors.Is(err, unix.ENOBUFS) || errors.Is(err, unix.ENOMEM)
}

// warn says once what is missing and what helps.
func (a *acceptor) warn(err error) {
	if a.warned {
		return
	}
	a.warned = true
	var limit unix.Rlimit
	// Without the number the advice is the same.
	_ = unix.Getrlimit(unix.RLIMIT_NOFILE, &limit)
	a.log.Error("can't accept more connections for now: raise ulimit -n (systemd: LimitNOFILE), fs.nr_open and fs.file-max, or share the port with --processes",
		"error", err, "nofile", limit.Cur)
}

func (a *acceptor) dealOut() {
	for i, batch := range a.batches {
		if len(batch) > 0 {
			a.loops[i].give(batch)
			a.batches[i] = batch[:0]
		}
	}
}

func (a *acceptor) rest(ctx context.Context) {
	pause := time.NewTimer(acceptPause)
	defer pause.Stop()
	select {
	case <-pause.C:
	case <-ctx.Done():
	}
}

// wake makes run look at its context. Any goroutine.
func (a *acceptor) wake() {
	one := [8]byte{1}
	// Can only fail when it was woken often enough already.
	_, _ = unix.Write(a.wakeup, one[:])
}

// close frees the descriptors; run has ended or never began.
func (a *acceptor) close() error {
	if !a.opened {
		return nil
	}
	a.opened = false
	return errors.Join(unix.Close(a.epoll), unix.Close(a.wakeup))
}
