package engine_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"

	"upsurge/worker/engine"
)

func netError(errno syscall.Errno) error {
	return &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errno)}
}

func TestClassify(t *testing.T) {
	cases := []struct {
		err  error
		want engine.Failure
	}{
		{err: nil, want: engine.None},
		{err: syscall.ECONNREFUSED, want: engine.Refused},
		{err: netError(syscall.ECONNREFUSED), want: engine.Refused},
		{err: syscall.ETIMEDOUT, want: engine.Timeout},
		{err: engine.ErrTimeout, want: engine.Timeout},
		{err: fmt.Errorf("echo: %w", engine.ErrTimeout), want: engine.Timeout},
		{err: context.DeadlineExceeded, want: engine.Timeout},
		{err: os.ErrDeadlineExceeded, want: engine.Timeout},
		{err: &net.DNSError{IsTimeout: true}, want: engine.Timeout},
		{err: syscall.EMFILE, want: engine.NoDescriptors},
		{err: netError(syscall.ENFILE), want: engine.NoDescriptors},
		{err: syscall.EADDRNOTAVAIL, want: engine.NoPorts},
		{err: netError(syscall.EADDRINUSE), want: engine.NoPorts},
		{err: syscall.ECONNRESET, want: engine.Reset},
		{err: fmt.Errorf("write: %w", netError(syscall.EPIPE)), want: engine.Reset},
		{err: io.EOF, want: engine.ServerClosed},
		{err: fmt.Errorf("read header: %w", io.ErrUnexpectedEOF), want: engine.ServerClosed},
		{err: syscall.EHOSTUNREACH, want: engine.Unreachable},
		{err: netError(syscall.ENETUNREACH), want: engine.Unreachable},
		{err: syscall.ENOBUFS, want: engine.NoMemory},
		{err: syscall.ENOMEM, want: engine.NoMemory},
		{err: syscall.ENOSPC, want: engine.NoMemory},
		{err: syscall.EACCES, want: engine.Other},
		{err: engine.ErrClosed, want: engine.Other},
		{err: engine.ErrWriteBufferFull, want: engine.Other},
		{err: engine.ErrPanicked, want: engine.Other},
		{err: errors.New("wrong data"), want: engine.Other},
		{err: errors.Join(errors.New("dial"), syscall.EMFILE), want: engine.NoDescriptors},
	}
	for _, c := range cases {
		if got := engine.Classify(c.err); got != c.want {
			t.Errorf("Classify(%v) is %v, want %v", c.err, got, c.want)
		}
		if n := testing.AllocsPerRun(100, func() { engine.Classify(c.err) }); n != 0 {
			t.Errorf("Classify(%v) allocates %v times, want 0", c.err, n)
		}
	}
}

func TestFailureTexts(t *testing.T) {
	names := map[engine.Failure]string{
		engine.None: "none", engine.Refused: "refused", engine.Timeout: "timeout",
		engine.NoDescriptors: "no descriptors", engine.NoPorts: "no local ports", engine.Reset: "reset",
		engine.ServerClosed: "server closed", engine.Unreachable: "unreachable",
		engine.NoMemory: "no memory", engine.Other: "other",
		engine.Failure(200): "other",
	}
	if len(names) != engine.FailureCount+1 {
		t.Errorf("%d failures have a name here, want all %d and one beyond", len(names), engine.FailureCount)
	}
	for failure, want := range names {
		if got := failure.String(); got != want {
			t.Errorf("failure %d is called %q, want %q", uint8(failure), got, want)
		}
		advice := failure.Advice()
		if !strings.HasSuffix(advice, ".") || strings.Contains(advice, "\n") {
			t.Errorf("advice on %v isn't a sentence: %q", failure, advice)
		}
	}
}
