package engine_test

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"upsurge/worker/engine"
)

// Over the bound a dial fails by its name, and a closed connection makes room.
func TestConnectionsAreBounded(t *testing.T) {
	e, _ := start(t, engine.Config{Loops: 2, Connections: 2})
	target := to(t, serve(t, "127.0.0.1:0", func(c *net.TCPConn) { _, _ = c.Read(make([]byte, 1)) }))
	opened, closed := make(chan *engine.Conn, 4), make(chan error, 4)
	watch := &handler{
		open:  func(c *engine.Conn) { opened <- c },
		close: func(_ *engine.Conn, err error) { closed <- err },
	}
	conns := make([]engine.Conn, 4)
	first, second := e.Loops()[0], e.Loops()[1]
	dial(t, first, &conns[0], target, watch)
	dial(t, second, &conns[1], target, watch)
	receive(t, opened, "the first")
	receive(t, opened, "the second")
	dial(t, second, &conns[2], target, watch)
	if err := receive(t, closed, "the third"); !errors.Is(err, syscall.EMFILE) || engine.Classify(err) != engine.NoDescriptors {
		t.Errorf("the third ended with %v", err)
	}
	do(t, first, conns[0].Close)
	dial(t, second, &conns[3], target, watch)
	receive(t, opened, "the fourth, for which there is room again")
}
