package engine

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
)

// Failure is what went wrong with a connection, small enough to count by on a
// hot path.
type Failure uint8

// The failures that Classify tells apart.
const (
	None          Failure = iota
	Refused               // nobody listens at the target
	Timeout               // no answer in time
	NoDescriptors         // the process or the host may open no more descriptors
	NoPorts               // no local port is free for this target
	Reset                 // the peer, or something between, cut the connection
	ServerClosed          // the peer closed the connection in good order
	Unreachable           // no way to the target's address
	NoMemory              // the kernel lacks memory, or allows no more
	Other                 // none of these
)

// FailureCount is the number of Failure values, None included: the length of
// an array that is indexed by Failure.
const FailureCount = int(Other) + 1

var failureTexts = [FailureCount]struct{ name, advice string }{
	None: {"none", "Nothing to do."},
	Refused: {
		"refused",
		"Nothing listens at this address: check the target's host and port, and that the server runs.",
	},
	Timeout: {
		"timeout",
		"The target doesn't answer in time: check firewalls and conntrack tables on the way and the server's listen queue (ss -lt, somaxconn), or spawn more slowly.",
	},
	NoDescriptors: {
		"no descriptors",
		"Raise the limit of open files for this process (ulimit -n, LimitNOFILE=) and the host's fs.nr_open and fs.file-max, or run more worker processes.",
	},
	NoPorts: {
		"no local ports",
		"Widen net.ipv4.ip_local_port_range, use more source addresses or more target addresses, or set net.ipv4.tcp_tw_reuse=1 when connections are short.",
	},
	Reset: {
		"reset",
		"The peer cut the connection: look for overload or limits at the server and at proxies on the way (orphaned sockets, memory, listen queue).",
	},
	ServerClosed: {
		"server closed",
		"The server ended the connection: check its idle timeout and its limit of connections.",
	},
	Unreachable: {
		"unreachable",
		"No way leads to the target's address: check routes, source addresses and the neighbour table (ip route get, ip neigh).",
	},
	NoMemory: {
		"no memory",
		"The kernel refuses more sockets: check free memory, the memory limit of the container, net.ipv4.tcp_mem and fs.epoll.max_user_watches.",
	},
	Other: {
		"other",
		"Read the error's text in the worker's log; no usual limit explains it.",
	},
}

// String is the failure's name as reports show it.
func (f Failure) String() string {
	if int(f) >= FailureCount {
		f = Other
	}
	return failureTexts[f].name
}

// Advice is one sentence that says what to change on the host or the target.
func (f Failure) Advice() string {
	if int(f) >= FailureCount {
		f = Other
	}
	return failureTexts[f].advice
}

// Classify names the failure behind an error of this package or of package net,
// wrapped or not. It doesn't allocate. Safe from any goroutine.
func Classify(err error) Failure {
	if err == nil {
		return None
	}
	if errno, ok := err.(syscall.Errno); ok { //nolint:errorlint // as the event loops report it; what is wrapped follows
		return classifyErrno(errno)
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return ServerClosed
	case errors.Is(err, ErrTimeout), errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, context.DeadlineExceeded):
		return Timeout
	}
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return classifyErrno(errno)
	}
	if timed, ok := errors.AsType[net.Error](err); ok && timed.Timeout() {
		return Timeout
	}
	return Other
}

func classifyErrno(errno syscall.Errno) Failure {
	switch errno {
	case 0:
		return None
	case syscall.ECONNREFUSED:
		return Refused
	case syscall.ETIMEDOUT:
		return Timeout
	case syscall.EMFILE, syscall.ENFILE:
		return NoDescriptors
	case syscall.EADDRNOTAVAIL, syscall.EADDRINUSE:
		return NoPorts
	case syscall.ECONNRESET, syscall.EPIPE, syscall.ECONNABORTED:
		return Reset
	case syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN:
		return Unreachable
	case syscall.ENOBUFS, syscall.ENOMEM, syscall.ENOSPC:
		return NoMemory
	default:
		return Other
	}
}
