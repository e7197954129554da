package zmq

import (
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"syscall"
	"time"
)

// reporter logs changes of state, each once: a master that is away for a night
// leaves two records, not a hundred thousand. Run's goroutine only.
type reporter struct {
	log      *slog.Logger
	trouble  string // kind of the failure logged last; empty when all is well
	flapping bool   // the last connection did not last
}

func newReporter(config Config) *reporter {
	return &reporter{log: config.Logger.With("master", config.Address)}
}

// failed notes an attempt to connect that failed.
func (r *reporter) failed(err error) {
	r.report("cannot connect to the master, trying on", kindOf(err), err)
}

// up notes a complete handshake.
func (r *reporter) up(epoch uint64) {
	if r.flapping {
		return
	}
	r.trouble = ""
	r.log.Info("connected to the master", "connection", epoch)
}

// settled notes that a connection has lasted.
func (r *reporter) settled(epoch uint64) {
	if !r.flapping {
		return
	}
	r.flapping = false
	r.up(epoch)
}

// down notes the end of a connection.
func (r *reporter) down(err error, lasted bool) {
	r.flapping = !lasted
	if errors.Is(err, ErrStopped) {
		r.log.Info("connection to the master closed")
		return
	}
	r.report("lost the connection to the master", "lost: "+kindOf(err), err)
}

// holding notes that the next connection has to wait.
func (r *reporter) holding(wait time.Duration) {
	r.log.Info("the connection was cut; connecting again when the master must have noticed it, too", "wait", wait.Round(time.Millisecond))
}

// multipart notes a message that was left out, once for each connection.
func (r *reporter) multipart(epoch uint64) {
	r.log.Warn("ignoring messages of more than one frame: is the peer a Locust master?", "connection", epoch)
}

func (r *reporter) report(text, kind string, err error) {
	if kind == r.trouble {
		r.log.Debug(text, "error", err)
		return
	}
	r.trouble = kind
	r.log.Warn(text, "error", err)
}

// kindOf names the kind of a failure. It leaves out what differs from one
// attempt to the next, such as the local port.
func kindOf(err error) string {
	for _, known := range []error{
		ErrReset, ErrStopped, ErrPeerClosed, ErrSilent, ErrNotZeroMQ, ErrVersion, ErrMechanism,
		ErrSocketType, ErrSelfConnect, ErrProtocol,
	} {
		if errors.Is(err, known) {
			return known.Error()
		}
	}
	var (
		number  syscall.Errno
		name    *net.DNSError
		timeout interface{ Timeout() bool }
	)
	switch {
	case errors.As(err, &number):
		return number.Error()
	case errors.As(err, &name):
		return "name resolution"
	case errors.Is(err, os.ErrDeadlineExceeded), errors.As(err, &timeout) && timeout.Timeout():
		return "timeout"
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return "closed"
	default:
		return "other"
	}
}
