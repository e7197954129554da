package zmq

import (
	"bytes"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"syscall"
	"testing"
)

func TestReporterSaysEachChangeOnce(t *testing.T) {
	var log bytes.Buffer
	r := newReporter(Config{Logger: slog.New(slog.NewTextHandler(&log, nil))})
	refused := func(port int) error { return fmt.Errorf("from port %d: %w", port, syscall.ECONNREFUSED) }
	for _, step := range []struct {
		name string
		do   func()
		want string // in the only new line; empty: none
	}{
		{name: "first failure", do: func() { r.failed(refused(1)) }, want: "level=WARN"},
		{name: "same kind, other port", do: func() { r.failed(refused(2)) }},
		{name: "other kind", do: func() { r.failed(ErrNotZeroMQ) }, want: ErrNotZeroMQ.Error()},
		{name: "name", do: func() { r.failed(&net.DNSError{Err: "a"}) }, want: "WARN"},
		{name: "same name, other text", do: func() { r.failed(&net.DNSError{Err: "b"}) }},
		{name: "connected", do: func() { r.up(1) }, want: "level=INFO"},
		{name: "settled", do: func() { r.settled(1) }},
		{name: "lost", do: func() { r.down(ErrPeerClosed, true) }, want: "level=WARN"},
		{name: "back", do: func() { r.up(2) }, want: "level=INFO"},
		{name: "lost at once", do: func() { r.down(ErrPeerClosed, false) }, want: "level=WARN"},
		{name: "flapping: back", do: func() { r.up(3) }},
		{name: "flapping: lost", do: func() { r.down(ErrPeerClosed, false) }},
		{name: "flapping: lost otherwise", do: func() { r.down(ErrSilent, false) }, want: "level=WARN"},
		{name: "flapping: back", do: func() { r.up(4) }},
		{name: "lasts", do: func() { r.settled(4) }, want: "level=INFO"},
		{name: "stopped", do: func() { r.down(ErrStopped, true) }, want: "level=INFO"},
	} {
		log.Reset()
		step.do()
		lines := strings.Count(log.String(), "\n")
		if wanted := min(len(step.want), 1); lines != wanted || !strings.Contains(log.String(), step.want) {
			t.Errorf("%s: log %q, want %d lines with %q", step.name, log.String(), wanted, step.want)
		}
	}
}
