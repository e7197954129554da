//go:build linux && !portable

package server

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"upsurge/targets"
)

// listener is a listening socket that the acceptor polls itself.
type listener struct {
	fd      int
	address net.Addr
}

// listen takes over a duplicate of a bound descriptor.
func listen(address string, binding targets.Binding) (*listener, error) {
	bound, err := Bind(address, binding)
	if err != nil {
		return nil, err
	}
	l := &listener{fd: -1, address: bound.Addr()}
	err = l.takeOver(bound)
	if err = errors.Join(err, bound.Close()); err != nil {
		return nil, errors.Join(err, l.close())
	}
	return l, nil
}

// Bind listens through package net, which knows about names, zones and
// dual-stack sockets, with the binding's backlog and sharing.
func Bind(address string, binding targets.Binding) (net.Listener, error) {
	config := net.ListenConfig{
		KeepAlive: -1, // a million keepalive timers would be a load of their own
		Control: func(_, _ string, raw syscall.RawConn) error {
			return setListenOptions(raw, binding.ReusePort)
		},
	}
	// Accepted MPTCP sockets would cost more memory for nothing.
	config.SetMultipathTCP(false)
	bound, err := config.Listen(context.Background(), "tcp", address)
	if err != nil {
		return nil, err
	}
	err = withDescriptor(bound, func(fd int) error {
		// A second listen(2) on a listening socket sets the backlog and
		// changes nothing else.
		return os.NewSyscallError("listen", unix.Listen(fd, binding.Backlog))
	})
	if err != nil {
		return nil, errors.Join(err, bound.Close())
	}
	return bound, nil
}

func setListenOptions(raw syscall.RawConn, reusePort bool) error {
	var failure error
	err := raw.Control(func(fd uintptr) {
		// Accepted sockets inherit this: one call instead of a million.
		failure = os.NewSyscallError("setsockopt TCP_NODELAY",
			unix.SetsockoptInt(int(fd), unix.IPPROTO_TCP, unix.TCP_NODELAY, 1))
		if reusePort && failure == nil {
			failure = os.NewSyscallError("setsockopt SO_REUSEPORT",
				unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1))
		}
	})
	return errors.Join(err, failure)
}

func (l *listener) takeOver(bound net.Listener) error {
	return withDescriptor(bound, func(fd int) (err error) {
		l.fd, err = unix.FcntlInt(uintptr(fd), unix.F_DUPFD_CLOEXEC, 0)
		return os.NewSyscallError("fcntl F_DUPFD_CLOEXEC", err)
	})
}

func withDescriptor(bound net.Listener, f func(fd int) error) error {
	holder, ok := bound.(syscall.Conn)
	if !ok {
		return fmt.Errorf("a %T gives no access to its descriptor", bound)
	}
	raw, err := holder.SyscallConn()
	if err != nil {
		return err
	}
	var failure error
	err = raw.Control(func(fd uintptr) { failure = f(int(fd)) })
	return errors.Join(err, failure)
}

func (l *listener) close() error {
	if l.fd < 0 {
		return nil
	}
	err := os.NewSyscallError("close", unix.Close(l.fd))
	l.fd = -1
	return err
}

// WarnIfClipped says that the kernel won't give the backlog that is asked for.
func WarnIfClipped(binding targets.Binding) {
	const key = "/proc/sys/net/core/somaxconn"
	content, err := os.ReadFile(key)
	if err != nil {
		return // no /proc: nothing to say
	}
	limit, err := strconv.Atoi(strings.TrimSpace(string(content)))
	if err == nil && limit < binding.Backlog {
		binding.Log.Warn("the kernel shortens the accept queue: raise net.core.somaxconn",
			"backlog", binding.Backlog, "somaxconn", limit)
	}
}
